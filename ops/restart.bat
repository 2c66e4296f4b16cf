@echo off
rem Restarts the servers one after the other, without a failed request. restart.sh does the same on Linux and macOS.
setlocal
rem Not later: shift changes %0, too.
set "OPS=%~dp0"
set "BUILD=1"

:arguments
if "%~1"=="" goto check
if "%~1"=="--no-build" (set "BUILD=" & shift & goto arguments)
echo Usage: restart.bat [--no-build]
echo   Builds the image of the servers and replaces them one after the other: Nginx sends a server nothing more, the server
echo   ends what it has begun, a new one starts, and gets requests once it is healthy. If it does not, the other one goes on
echo   alone, as it was.
echo   --no-build    use the image that is there, such as that of KVERSE_IMAGE
if "%~1"=="--help" exit /b 0
exit /b 2

:check
call "%OPS%scripts\compose.bat" || exit /b 1
if not exist "%OPS%.env" (echo kverse: there is no .env: start.bat makes it>&2 & exit /b 1)
pushd "%OPS%"
call :restart
set "STATUS=%ERRORLEVEL%"
popd
exit /b %STATUS%

:restart
docker compose exec -T nginx curl -fsS -o /dev/null http://127.0.0.1:8083/nginx_status || (
  echo kverse: Nginx does not run, or is not healthy; start.bat starts it>&2
  exit /b 1
)
set "FIRST=1"
set "SECOND=2"
call :healthy 2 || (set "FIRST=2" & set "SECOND=1")
call :healthy %SECOND% || (echo kverse: no server is healthy; start.bat starts them>&2 & exit /b 1)
if defined BUILD (
  docker compose build server1 || (echo kverse: the image could not be built>&2 & exit /b 1)
)
call :replace %FIRST% %SECOND% || exit /b 1
call :replace %SECOND% %FIRST% || exit /b 1
exit /b 0

rem :healthy NUMBER
:healthy
docker compose exec -T server%1 kverse-cli --timeout 5s health >nul 2>&1
exit /b %ERRORLEVEL%

rem :replace NUMBER OTHER
:replace
echo kverse: server %1: no more requests
docker compose exec -T nginx rm -f /tmp/nginx/without_server%2 || exit /b 1
docker compose exec -T nginx touch /tmp/nginx/without_server%1 || exit /b 1
docker compose up --detach --no-deps --no-build --force-recreate --wait --wait-timeout 120 server%1
if errorlevel 1 (
  docker compose logs --no-color --tail 15 server%1
  echo kverse: the new server %1 is not healthy; server %2 goes on alone, as it was, until restart.bat succeeds>&2
  exit /b 1
)
docker compose exec -T nginx rm /tmp/nginx/without_server%1 || exit /b 1
echo kverse: server %1: healthy, and in service again
exit /b 0
