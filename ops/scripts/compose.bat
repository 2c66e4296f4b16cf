@echo off
rem Called by start.bat, stop.bat and restart.bat: what is missing of Docker and Compose, and exit status 1 if anything is.
where /q docker || (echo kverse: docker is missing: https://docs.docker.com/desktop/ tells how to install it>&2 & exit /b 1)
docker version >nul 2>&1 || (echo kverse: Docker's engine does not answer: start Docker Desktop>&2 & exit /b 1)
docker compose version >nul 2>&1 || (echo kverse: Docker has no Compose: update Docker Desktop>&2 & exit /b 1)
exit /b 0
