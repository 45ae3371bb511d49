#!/bin/sh
# Runs once, when the database is made. Workers report to Celery in a database of its own, with a role that can read
# nothing of Airflow's: a worker needs neither its tables nor its password.
set -eu

psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv airflow POSTGRES_DB
\getenv password RESULTS_PASSWORD
CREATE ROLE results LOGIN PASSWORD :'password';
CREATE DATABASE results OWNER results;
REVOKE CONNECT ON DATABASE :"airflow" FROM PUBLIC;
SQL
