@echo off
rem Stops what start.bat has started. stop.sh does the same on Linux and macOS.
setlocal
set "VOLUMES="
if "%~1"=="--volumes" (set "VOLUMES=--volumes" & shift)
if not "%~1"=="" (
  echo Usage: stop.bat [--volumes]
  echo   Stops everything and keeps the data.
  echo   --volumes     removes the data, too: that of KVerse, Prometheus, Grafana and pgAdmin
  if "%~1"=="--help" exit /b 0
  exit /b 2
)
where /q docker || (echo kverse: docker is missing: https://docs.docker.com/desktop/ tells how to install it>&2 & exit /b 1)
docker version >nul 2>&1 || (echo kverse: Docker's engine does not answer: start Docker Desktop>&2 & exit /b 1)
docker compose version >nul 2>&1 || (echo kverse: Docker has no Compose: update Docker Desktop>&2 & exit /b 1)
if not exist "%~dp0.env" (echo kverse: there is no .env: start.bat makes it>&2 & exit /b 1)
pushd "%~dp0"
docker compose --profile tools --profile load down %VOLUMES% || (popd & exit /b 1)
popd
if defined VOLUMES (echo kverse: stopped; the data is gone) else (echo kverse: stopped; the data is kept)
