@echo off
rem Runs a load test against a KVerse, with the k6 that is installed or its official image. --help tells more.
setlocal EnableExtensions DisableDelayedExpansion
set "SCENARIOS=smoke original load stress soak faults"
set "VARIABLES=TOKEN PREFIX DURATION VUS RATE START_RATE MAX_RATE ITERATIONS KEYS KEYS_EACH VALUE_BYTES READ_PERCENT DELETE_PERCENT EXPIRING PAUSE_MS P95_MS P99_MS MAX_FAILED MAX_READS_FAILED MAX_WRITES_FAILED"
if not defined BASE_URL set "BASE_URL=http://127.0.0.1:8082"
set "HERE=%~dp0"
set "HERE=%HERE:~0,-1%"
rem The image that Compose runs, too.
if not defined K6_IMAGE for /f "tokens=2" %%i in ('findstr /c:"image: grafana/k6:" "%HERE%\..\compose.yaml"') do set "K6_IMAGE=%%i"
set "SCENARIO="
set "RESULTS="
set "RUNNER="
set "CURL_OPTIONS="

:arguments
if "%~1"=="" goto scenario
if "%~1"=="--help" goto usage
if "%~1"=="/?" goto usage
if "%~1"=="--docker" set "RUNNER=docker" & shift & goto arguments
if "%~1"=="--insecure" set "CURL_OPTIONS=--insecure" & set "K6_INSECURE_SKIP_TLS_VERIFY=true" & shift & goto arguments
if "%~1"=="--url" goto option
if "%~1"=="--results" goto option
if defined SCENARIO echo run_loadtest: one scenario at a time: '%SCENARIO%' or '%~1'>&2 & exit /b 2
set "SCENARIO=%~1"
shift
goto arguments

:option
if "%~2"=="" echo run_loadtest: %~1 takes a value; --help tells more>&2 & exit /b 2
if "%~1"=="--url" set "BASE_URL=%~2"
if "%~1"=="--results" set "RESULTS=%~2"
shift
shift
goto arguments

:scenario
if not defined SCENARIO echo run_loadtest: which scenario? %SCENARIOS%>&2 & exit /b 2
for %%s in (%SCENARIOS%) do if "%%s"=="%SCENARIO%" goto runner
echo run_loadtest: there is no scenario '%SCENARIO%'; there are: %SCENARIOS%>&2
exit /b 2

:runner
if defined RUNNER goto docker
set "RUNNER=k6"
where k6 >nul 2>nul && goto service
set "RUNNER=docker"
:docker
where docker >nul 2>nul || (echo run_loadtest: neither k6 nor docker is there: https://grafana.com/docs/k6/latest/set-up/install-k6/ tells how to install k6>&2 & exit /b 1)
docker info >nul 2>nul || (echo run_loadtest: docker is there, but its engine does not answer: start it, or install k6>&2 & exit /b 1)

:service
curl.exe --silent --show-error --fail --max-time 10 %CURL_OPTIONS% --output NUL "%BASE_URL%/health"
if errorlevel 1 echo run_loadtest: no healthy KVerse at %BASE_URL%: start one, such as with ops\start.bat, or name another by --url>&2 & exit /b 1

if defined RESULTS goto directory
for /f %%t in ('powershell -NoProfile -Command "Get-Date -Format yyyyMMdd-HHmmss"') do set "RESULTS=%HERE%\..\..\target\loadtest\%SCENARIO%-%%t"
:directory
if not exist "%RESULTS%" mkdir "%RESULTS%" || exit /b 1
for %%d in ("%RESULTS%") do set "RESULTS=%%~fd"
set "KEPT=%RESULTS%"
if "%SCENARIO%"=="faults" echo run_loadtest: nothing fails unless you see to it>&2

if "%RUNNER%"=="docker" goto in_docker
set "RESULTS=%RESULTS:\=/%"
k6 run "%HERE%\%SCENARIO%.js"
goto end

rem Names of variables only: no token on a command line. Docker's host is a virtual machine.
:in_docker
set "BASE_URL=%BASE_URL:127.0.0.1=host.docker.internal%"
set "BASE_URL=%BASE_URL:localhost=host.docker.internal%"
set "RESULTS=/results"
set "PASSED=--env BASE_URL --env RESULTS --env K6_INSECURE_SKIP_TLS_VERIFY"
for %%v in (%VARIABLES%) do call set "PASSED=%%PASSED%% --env %%v"
docker run --rm %PASSED% --volume "%HERE%:/scripts:ro" --volume "%KEPT%:/results" "%K6_IMAGE%" run "/scripts/%SCENARIO%.js"

:end
set "STATUS=%ERRORLEVEL%"
if "%STATUS%"=="99" echo run_loadtest: %SCENARIO%: a threshold was not kept>&2
if exist "%KEPT%\summary.txt" echo run_loadtest: summary.txt and summary.json are in %KEPT%>&2
exit /b %STATUS%

:usage
echo Usage: run_loadtest.bat SCENARIO [--url URL] [--results DIR] [--docker] [--insecure]
echo   smoke          each kind of request a few times: nothing may fail (seconds)
echo   original       100 users who put, get and delete (1 minute)
echo   load           a steady rate of mostly reads (3 minutes)
echo   stress         a rate that rises until answers fail or take too long, which ends it with status 99 (5 minutes)
echo   soak           a moderate rate for long; each quarter is judged by itself (2 hours)
echo   faults         no stale read, no lost write, while you kill servers and Redis (2 minutes)
echo   --url URL      the service [default: %%BASE_URL%%, else http://127.0.0.1:8082]
echo   --results DIR  where summary.txt and summary.json go [default: target\loadtest\SCENARIO-TIME]
echo   --docker       use the image %K6_IMAGE% although k6 is installed; %%K6_IMAGE%% names another
echo   --insecure     accept any certificate, such as that for development
echo Set by variables: %VARIABLES%
echo run_loadtest.sh --help, on Linux and macOS, tells what they mean. Exit status: 0 if all thresholds were kept, 99 if not.
exit /b 0
