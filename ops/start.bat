@echo off
rem Builds and starts the whole service with Docker Desktop, waits until it is healthy and prints the addresses.
rem start.sh does the same on Linux and macOS.
setlocal
rem Not later: shift changes %0, too.
set "OPS=%~dp0"
set "BUILD=1"
set "TOOLS="

:arguments
if "%~1"=="" goto check
if "%~1"=="--tools" (set "TOOLS=1" & shift & goto arguments)
if "%~1"=="--no-build" (set "BUILD=" & shift & goto arguments)
echo Usage: start.bat [--tools] [--no-build]
echo   --tools       with pgAdmin
echo   --no-build    use the image that is there
if "%~1"=="--help" exit /b 0
exit /b 2

:check
call "%OPS%scripts\compose.bat" || exit /b 1
if not exist "%OPS%certificate" mkdir "%OPS%certificate"

rem The passwords are random, in a file with the permissions of this folder.
if exist "%OPS%.env" goto start
powershell -NoProfile -Command "$ErrorActionPreference = 'Stop'; $random = [Security.Cryptography.RandomNumberGenerator]::Create(); $lines = Get-Content -LiteralPath ($env:OPS + '.env.example') | ForEach-Object { if ($_ -match '^[A-Z_]+_PASSWORD=$') { $bytes = New-Object byte[] 24; $random.GetBytes($bytes); $_ + [BitConverter]::ToString($bytes).Replace('-', '').ToLower() } else { $_ } }; [IO.File]::WriteAllText($env:OPS + '.env', ($lines -join [char]10) + [char]10)" || (echo kverse: could not write ops\.env>&2 & exit /b 1)
echo kverse: made %OPS%.env with new passwords; keep it as long as the data

:start
pushd "%OPS%"
set "COMPOSE=docker compose"
if defined TOOLS set "COMPOSE=docker compose --profile tools"
%COMPOSE% config --quiet || (popd & exit /b 1)
if defined BUILD (
  docker compose build server1 || (popd & exit /b 1)
)
%COMPOSE% up --detach --no-build --wait --wait-timeout 300
if errorlevel 1 (
  docker compose ps --all
  docker compose logs --tail 15
  echo kverse: not everything has started: a port may be taken, see .env; stop.bat stops what has>&2
  popd & exit /b 1
)
rem A restart.bat that failed may have left one out.
docker compose exec -T nginx rm -f /tmp/nginx/without_server1 /tmp/nginx/without_server2
popd
echo The ports, unless .env has others:
echo KVerse      http://127.0.0.1:8082
echo server 1    http://127.0.0.1:8002
echo server 2    http://127.0.0.1:8003
echo Prometheus  http://127.0.0.1:9092
echo Grafana     http://127.0.0.1:3002, as admin, with GRAFANA_PASSWORD of .env
if defined TOOLS echo pgAdmin     http://127.0.0.1:5051, as PGADMIN_EMAIL with PGADMIN_PASSWORD of .env
