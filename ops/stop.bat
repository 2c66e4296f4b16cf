@echo off
rem Stops what start.bat has started. stop.sh does the same on Linux and macOS.
setlocal
rem Not later: shift changes %0, too.
set "OPS=%~dp0"
set "VOLUMES="
if "%~1"=="--volumes" (set "VOLUMES=--volumes" & shift)
if not "%~1"=="" (
  echo Usage: stop.bat [--volumes]
  echo   Stops everything and keeps the data.
  echo   --volumes     removes the data, too: that of KVerse, Prometheus, Grafana and pgAdmin
  if "%~1"=="--help" exit /b 0
  exit /b 2
)
call "%OPS%scripts\compose.bat" || exit /b 1
if not exist "%OPS%.env" (echo kverse: there is no .env: start.bat makes it>&2 & exit /b 1)
pushd "%OPS%"
docker compose --profile tools --profile load down %VOLUMES% || (popd & exit /b 1)
popd
if defined VOLUMES (echo kverse: stopped; the data is gone) else (echo kverse: stopped; the data is kept)
