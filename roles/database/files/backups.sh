# shellcheck shell=sh
# Shell functions about backups of the database, on top of stack.sh and database.sh.
#
# In: STACK_BACKUP_DIR; BACKUP_PATTERN, the names of backups that the site makes itself; BACKUP_API_SECONDS, which
#     the API gets to answer after a restore
#
# A backup is a file in $STACK_BACKUP_DIR, and beside it FILE.manifest.json says what it holds. What is
# being written is hidden (.FILE.partial) until it is proven. A word that refuses has changed
# nothing, says why in one line, and exits with 69.

# Runs a command that writes there, as root only where that is needed.
in_backups() {
    if [ -w "$STACK_BACKUP_DIR" ]; then "$@"; else as_root "$@"; fi
}

# Prints a file of backups. Usage: contents FILE
contents() {
    if [ -r "$1" ]; then cat "$1"; else as_root cat "$1"; fi
}

# Prints bytes in MiB, rounded up. Usage: mib BYTES
mib() { echo "$((($1 + 1048575) / 1048576)) MiB"; }

# Prints a span of seconds for people.
span() {
    if [ "$1" -ge 172800 ]; then
        echo "$(($1 / 86400)) d $(($1 % 86400 / 3600)) h"
    elif [ "$1" -ge 3600 ]; then
        echo "$(($1 / 3600)) h $(($1 % 3600 / 60)) m"
    else
        echo "$(($1 / 60)) m $(($1 % 60)) s"
    fi
}

# Prints what a manifest says under a name: text or number. Usage: told FILE NAME
told() {
    contents "$1.manifest.json" 2>/dev/null | sed -n "s/^ *\"$2\": *\"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" | head -n 1
}

# Passes a number on; nothing, with exit status 1, where it is none: in arithmetic other words are a program to some
# shells, whether a file says them or a server.
number() { grep -x '[0-9]\{1,18\}'; }

# Prints a number of a manifest. Usage: told_number FILE NAME
told_number() { told "$1" "$2" | number; }

# Prints a number that the server says. Usage: server_number STATEMENT
server_number() { server_statement "$1" | number; }

# Runs statements as the server's superuser, outside of the application's database.
# Usage: server_statement STATEMENT [PSQL OPTION…]
server_statement() {
    statement=$1
    shift
    # A script in one transaction would refuse CREATE DATABASE; so one statement a call, or a string.
    inside "$STACK_DATABASE" 600 env PGCONNECT_TIMEOUT=5 \
        psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$DATABASE_USER" -d postgres "$@" -c "$statement"
}

# Prints a text as a literal of SQL. Usage: quoted_literal TEXT
quoted_literal() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"; }
# Prints a text as a name of SQL. Usage: quoted_name TEXT
quoted_name() { printf '"%s"' "$(printf '%s' "$1" | sed 's/"/""/g')"; }

# Tells whether there is a database of that name; a server that does not say so is unknown.
database_exists() {
    found=$(server_statement "SELECT count(*) FROM pg_database WHERE datname = $(quoted_literal "$1")") ||
        unknown "the database server does not answer: remedy database_connection_failures first"
    [ "$found" -gt 0 ]
}

# Prints the rows of every table of a database, and its newest time in seconds since the epoch, all of
# one moment: SCHEMA.TABLE|ROWS|NEWEST a line. What it is given runs before that, with the moment's
# snapshot in $SNAPSHOT, and its standard output is the caller's. Usage: survey DATABASE [COMMAND]
survey() {
    id=$(container "$STACK_DATABASE") || exit
    {
        printf '%s\n' "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \gset
\setenv SNAPSHOT :snapshot"
        # The last step of a pipe in the container tells the status of none before it.
        [ -z "${2:-}" ] || printf '\\! %s; echo "status=$?" >&2\n' "$2"
        printf '%s\n' "\o |cat >&2
SELECT 'server=' || current_setting('server_version_num');
SELECT 'size=' || pg_database_size(current_database());
SELECT format('SELECT %L, count(*), %s FROM %I.%I', 'rows=' || nspname || '.' || relname,
    coalesce((SELECT 'round(extract(epoch FROM greatest(' || string_agg(format(
        'max(%1\$I) FILTER (WHERE %1\$I BETWEEN ''1970-01-02'' AND now())::timestamptz',
        attname), ', ') || ')))' FROM pg_attribute
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
            AND atttypid IN ('timestamp'::regtype, 'timestamptz'::regtype)), 'NULL'), nspname, relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind = 'r' AND relpersistence <> 't' AND nspname <> 'information_schema' AND nspname !~ '^pg_'
ORDER BY nspname, relname \gexec
SELECT 'surveyed=yes';"
    } | docker exec -i -e SURVEYED="$1" -e SURVEYOR="$DATABASE_USER" "$id" \
        psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$DATABASE_USER" -d "$1" -f -
}

# Prints of a survey the rows, sorted: SCHEMA.TABLE ROWS a line.
rows_of() { printf '%s\n' "$1" | sed -n 's/^rows=\(.*\)|\([0-9]*\)|.*$/\1 \2/p' | sort; }
# Prints of a survey the newest time, in seconds since the epoch.
newest_of() { printf '%s\n' "$1" | sed -n 's/^rows=.*|\([0-9]*\)$/\1/p' | sort -n | tail -n 1; }
# Prints of a survey what stands behind a name. Usage: fact_of SURVEY NAME
fact_of() { printf '%s\n' "$1" | sed -n "s/^$2=//p" | head -n 1; }

# --- what is there ----------------------------------------------------------------------------

# Lists files that look like backups, the newest first: TIME BYTES PATH, tab-separated. What a restore kept
# of the state it replaced is one, but none to restore from or to rely on: see routine_backups.
backup_files() {
    [ -d "$STACK_BACKUP_DIR" ] || return 0
    # A name with control characters would end the line, or act on a terminal: it is passed over.
    in_backups env LC_ALL=C find "$STACK_BACKUP_DIR/" -xdev -type f ! -name '.*' ! -path '*[[:cntrl:]]*' \
        \( -name '*.sql.gz' -o -name '*.sql' -o -name '*.dump' \) -exec stat -c '%Y	%s	%n' {} + | sort -rn
}

# Those to restore from and to rely on: a manifest that is of another database is none of ours.
routine_backups() {
    backup_files | grep -v -e '-before-restore\.dump$' | while IFS='	' read -r time bytes path; do
        case $(told "$path" database) in "$DATABASE_NAME" | "") printf '%s\t%s\t%s\n' "$time" "$bytes" "$path" ;; esac
    done
}

# Reads lines of backup_files and prints those that may be counted and removed: what by its manifest was made of
# the application's database, and what the site says is, by BACKUP_PATTERN; nothing below the directory itself.
own_backups() {
    while IFS='	' read -r time bytes path; do
        [ "${path%/*}" = "$STACK_BACKUP_DIR" ] || continue
        of=$(told "$path" database)
        # shellcheck disable=SC2254  # a pattern is meant
        case ${path##*/} in ${BACKUP_PATTERN:-/}) of=${of:-$DATABASE_NAME} ;; esac
        [ "$of" != "$DATABASE_NAME" ] || printf '%s\t%s\t%s\n' "$time" "$bytes" "$path"
    done
}

# Fails when a backup is not proven whole, with the reason on standard error. A manifest beside it, or
# sha256sum's own file, decides; else a dump in SQL is whole if it can be unpacked, is of some size, and
# ends as pg_dump ends one. Exit status 3: nothing here can tell. Run as: sh -c "$backup_is_whole" sh FILE
backup_is_whole='
    for told in "$1.manifest.json" "$1.json" "$1.sha256"; do
        [ -f "$told" ] || continue
        # From standard input: of a name with a backslash it would escape the line.
        sum=$(sha256sum <"$1") && [ "${#sum}" -ge 64 ] || { echo "unproven: its sha256 cannot be computed" >&2; exit 1; }
        grep -qF "${sum%% *}" "$told" || { echo "its sha256 is not the one in ${told##*/}" >&2; exit 1; }
        exit 0
    done
    case $1 in *.sql.gz | *.sql) ;; *) exit 3 ;; esac
    case $1 in
    *.gz) gzip -dc "$1" 2>/dev/null || echo broken ;;
    *) cat "$1" ;;
    esac | tail -c 1000 | awk "{ size += length + 1; last = \$0 }
        /PostgreSQL database (cluster )?dump complete/ { found = 1 }
        END { exit !(found && size > 500 && last != \"broken\") }" || {
        echo "it is cut short, or no dump of pg_dump" >&2
        exit 1
    }
'

# Proves one backup whole; without a manifest, a dump of pg_dump's own format is read to its end by
# pg_restore. Usage: prove FILE
prove() {
    [ -s "$1" ] || in_backups test -s "$1" || { echo "it is empty" >&2; return 1; }
    in_backups timeout 3600 sh -c "$backup_is_whole" sh "$1" && return
    [ $? -eq 3 ] || return 1
    said=$(contents "$1" | docker exec -i "$(container "$STACK_DATABASE")" pg_restore -f /dev/null 2>&1) && return
    echo "pg_restore cannot read it: $(printf '%s\n' "$said" | tail -n 1)" >&2
    return 1
}

# Lists the backups that are proven whole, the newest first, and says of the others, loudly, why they are
# passed over. Usage: proven_backups [AT_MOST]
proven_backups() {
    count=0
    routine_backups | while IFS='	' read -r _ _ path; do
        if why=$(prove "$path" 2>&1); then
            echo "$path"
            count=$((count + 1))
            [ "$count" -ne "${1:-0}" ] || break
        else
            echo "passed over $path: $(printf '%s\n' "$why" | tail -n 1)" >&2
        fi
    done
}

# Prints every backup, the newest first, as a list of JSON, proven or not.
list_backups() {
    printf '['
    separator=
    backup_files | while IFS='	' read -r time bytes path; do
        whole=true
        why=$(prove "$path" 2>&1) || whole=false
        [ "$whole" = false ] || why=
        rows=$(told_number "$path" rows) newest=$(told "$path" newest_row) server=$(told "$path" server_version)
        printf '%s{"file":"%s","time":"%s","bytes":%s,"whole":%s,"reason":"%s","rows":%s,"newest_row":%s,"server_version":%s}' \
            "$separator" "$(json_text "${path##*/}")" "$(date -u -d "@$time" +%Y-%m-%dT%H:%M:%SZ)" "$bytes" "$whole" \
            "$(json_text "$(printf '%s\n' "$why" | tail -n 1)")" "${rows:-null}" \
            "$([ -z "$newest" ] && echo null || echo "\"$newest\"")" "$([ -z "$server" ] && echo null || echo "\"$server\"")"
        separator=,
    done
    echo ']'
}

# --- making one -------------------------------------------------------------------------------

# Prints the bytes available to us where a path lies.
available() { df -Pk "$1" | awk 'NR == 2 { printf "%.0f\n", $4 * 1024 }'; }

# Bytes that a backup will need: a fifth more than the newest one with a manifest, else all the database has.
backup_estimate() {
    newest=$(routine_backups | while IFS='	' read -r _ bytes path; do
        [ -z "$(told "$path" database)" ] || { echo "$bytes"; break; }
    done)
    if [ -n "$newest" ]; then
        echo "$((newest + newest / 5 + 1048576))"
    else
        server_number "SELECT pg_database_size($(quoted_literal "$DATABASE_NAME"))"
    fi
}

# Refuses where there is no room, with both figures. Usage: need_room BYTES PATH
need_room() {
    there=$(available "$2")
    [ "$there" -ge "$1" ] || unknown "no room in $2: about $(mib "$1") are needed, $(mib "$there") are free"
}

# Takes a backup, proves it, and gives it its name; prints its path. Whoever ends it halfway leaves
# nothing that looks like one. A backup suddenly small stays, but is complained of (exit status 5).
# Usage: back_up [SUFFIX]
back_up() {
    id=$(container "$STACK_DATABASE") || exit
    [ -d "$STACK_BACKUP_DIR" ] || mkdir -p "$STACK_BACKUP_DIR" 2>/dev/null || as_root mkdir -p "$STACK_BACKUP_DIR" ||
        unknown "$STACK_BACKUP_DIR cannot be made"
    need=$(backup_estimate) || unknown "the database does not say how large it is"
    need_room "$need" "$STACK_BACKUP_DIR"
    started=$(date +%s)
    name=$DATABASE_NAME-$(date -u -d "@$started" +%Y%m%dT%H%M%SZ)${1:-}.dump
    path=$STACK_BACKUP_DIR/$name partial=$STACK_BACKUP_DIR/.$name.partial
    in_backups find "$STACK_BACKUP_DIR/" -maxdepth 1 -name '.*.partial' -exec rm -f -- {} +
    before=$(proven_backups 1 2>/dev/null)
    # What is written counts only once the file system has it. The sum is of what was sent, so that whoever
    # reads the file proves the disk as well.
    said=$({
        {
            survey "$DATABASE_NAME" 'pg_dump -Fc --lock-wait-timeout=60s --snapshot="$SNAPSHOT" -U "$SURVEYOR" -d "$SURVEYED"' |
                tee /dev/fd/3 |
                in_backups sh -c 'umask 077; cat >"$1" && sync "$1" && echo written=yes >&2' sh "$partial"
        } 3>&1 >/dev/null | sha256sum | sed 's/ .*//; s/^/sha256=/'
    } 2>&1)
    if [ "$(fact_of "$said" status),$(fact_of "$said" surveyed),$(fact_of "$said" written)" != 0,yes,yes ]; then
        in_backups rm -f -- "$partial"
        echo "no backup: $(printf '%s\n' "$said" | grep -v '^[a-z0-9]*=' | tail -n 1)" >&2
        return 1
    fi
    contents "$partial" | docker exec -i "$id" pg_restore --list >/dev/null || {
        in_backups rm -f -- "$partial"
        echo "no backup: pg_restore cannot read what pg_dump wrote" >&2
        return 1
    }
    manifest "$partial" "$said" "$started" | in_backups sh -c 'umask 077; cat >"$1" && sync "$1"' sh "$path.manifest.json" &&
        in_backups mv "$partial" "$path" && in_backups sync "$STACK_BACKUP_DIR" || {
        in_backups rm -f -- "$partial" "$path.manifest.json"
        echo "no backup: its manifest could not be written" >&2
        return 1
    }
    echo "$path"
    [ -z "$before" ] || not_suddenly_small "$path" "$before"
}

# Usage: manifest FILE SURVEY STARTED
manifest() {
    server=$(fact_of "$2" server | number) newest=$(newest_of "$2")
    rows_of "$2" | awk -v database="$DATABASE_NAME" -v server="$((${server:-0} / 10000)).$((${server:-0} % 10000))" \
        -v time="$(date -u -d "@$3" +%Y-%m-%dT%H:%M:%SZ)" -v seconds="$(($(date +%s) - $3))" -v sha256="$(fact_of "$2" sha256)" \
        -v bytes="$(in_backups stat -c %s "$1")" -v size="$(fact_of "$2" size)" \
        -v newest="$([ -z "$newest" ] || date -u -d "@$newest" +%Y-%m-%dT%H:%M:%SZ)" '
        { count = $NF; sub(/ [0-9]+$/, ""); gsub(/[\\"]/, "\\\\&"); rows += count
          tables = tables (tables == "" ? "" : ",\n") "  \"" $0 "\": " count }
        END {
            printf "{\n \"database\": \"%s\",\n \"server_version\": \"%s\",\n \"time\": \"%s\",\n", database, server, time
            printf " \"seconds\": %d,\n \"bytes\": %.0f,\n \"database_bytes\": %.0f,\n", seconds, bytes, size
            printf " \"sha256\": \"%s\",\n \"newest_row\": \"%s\",\n \"rows\": %.0f,\n", sha256, newest, rows
            printf " \"tables\": {\n%s\n }\n}\n", tables
        }'
}

# Usage: not_suddenly_small FILE FILE_BEFORE
not_suddenly_small() {
    for what in rows bytes; do
        now=$(told_number "$1" $what) was=$(told_number "$2" $what)
        [ "$((${now:-0} * 2))" -ge "${was:-0}" ] && continue
        echo "suspicious: $now $what, ${2##*/} has $was; the backup is kept, look why" >&2
        return 5
    done
}

# --- choosing one -----------------------------------------------------------------------------

# Prints the path of the backup to restore: the newest that is proven, or the one that is named, if it
# can be restored here. Refuses one that cannot. Usage: choose_backup newest|FILE
choose_backup() {
    case $1 in
    newest)
        chosen=$(proven_backups 1)
        [ -n "$chosen" ] || unknown "no backup in $STACK_BACKUP_DIR is proven whole: name one, or see runbook ops backups list"
        ;;
    /*) chosen=$1 ;;
    *) chosen=$STACK_BACKUP_DIR/$1 ;;
    esac
    in_backups test -e "$chosen" || unknown "there is no backup $chosen: see runbook ops backups list"
    in_backups test -f "$chosen" || unknown "$chosen is no file"
    in_backups test -s "$chosen" || unknown "$chosen is empty"
    contents "$chosen" 2>/dev/null | head -c 1 | grep -q '' || unknown "$chosen cannot be read"
    case $chosen in
    *.dump | *.sql | *.sql.gz) ;;
    *) unknown "$chosen is neither .dump, nor .sql, nor .sql.gz: rename it to what it is" ;;
    esac
    [ "$1" = newest ] || why=$(prove "$chosen" 2>&1) || unknown "$chosen is no whole backup: $(printf '%s\n' "$why" | tail -n 1)"
    may_be_restored "$chosen"
    echo "$chosen"
}

# Refuses a backup of another database, of a newer server, or one that would write beside its database.
may_be_restored() {
    database=$(told "$1" database) version=$(told "$1" server_version)
    case $1 in
    *.dump)
        head=$(contents "$1" | docker exec -i "$(container "$STACK_DATABASE")" pg_restore --list 2>/dev/null | head -n 20)
        database=${database:-$(printf '%s\n' "$head" | sed -n 's/^; *dbname: //p')}
        version=${version:-$(printf '%s\n' "$head" | sed -n 's/^; *Dumped from database version: \([0-9.]*\).*/\1/p')}
        ;;
    *)
        head=$(sql_of "$1" | head -n 50)
        version=${version:-$(printf '%s\n' "$head" | sed -n 's/^-- Dumped from database version \([0-9.]*\).*/\1/p')}
        # Such a line reaches another database than the one being filled, or leaves psql altogether.
        beyond=$(sql_of "$1" | grep -E -m 1 '^(\\(c|connect|!|i|ir|include|include_relative|o|out|copy|w|write|gexec)([[:space:]]|$)|[[:space:]]*(DROP|ALTER|CREATE) DATABASE )')
        [ -z "$beyond" ] || unknown "$1 reaches beyond its database (${beyond%% *} …): take one made without --create"
        ;;
    esac
    [ -z "$database" ] || [ "$database" = "$DATABASE_NAME" ] || unknown "$1 is of another database: $database, not $DATABASE_NAME"
    here=$(server_number "SHOW server_version_num") || unknown "the database server does not answer: remedy database_connection_failures first"
    [ "${version%%.*}" -le "$((here / 10000))" ] 2>/dev/null || [ -z "$version" ] ||
        unknown "$1 is of PostgreSQL $version, newer than the server here, $((here / 10000))"
}

# Prints the SQL of a dump, packed or not. Usage: sql_of FILE
sql_of() {
    case $1 in
    *.gz) contents "$1" | gzip -dc ;;
    *) contents "$1" ;;
    esac
}

# --- restoring one ----------------------------------------------------------------------------

# Makes an empty database like the application's. Usage: make_scratch NAME
make_scratch() {
    like=$(server_statement "SELECT format('OWNER %I ENCODING %L LC_COLLATE %L LC_CTYPE %L TABLESPACE %I', pg_get_userbyid(datdba),
            pg_encoding_to_char(encoding), datcollate, datctype, spcname)
        || CASE to_jsonb(d) ->> 'datlocprovider'
            WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'))
            WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', to_jsonb(d) ->> 'datlocale')
            ELSE '' END
        FROM pg_database AS d JOIN pg_tablespace AS t ON t.oid = dattablespace
        WHERE datname IN ($(quoted_literal "$DATABASE_NAME"), 'template1') ORDER BY datname = 'template1' LIMIT 1") || return
    server_statement "CREATE DATABASE $(quoted_name "$1") TEMPLATE template0 $like" &&
        server_statement "COMMENT ON DATABASE $(quoted_name "$1") IS 'runbook: scratch'"
}

# Removes databases that a restore or a proof of ours left unfinished; no other bears that comment.
drop_scratch() {
    server_statement "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') = 'runbook: scratch'
        AND datname ~ '_(restore|verify)_[0-9]{8}T[0-9]{6}Z\$' AND datname !~ '[[:cntrl:]]'" | while IFS= read -r name; do
        server_statement "DROP DATABASE IF EXISTS $(quoted_name "$name") WITH (FORCE)" </dev/null
    done
}

# Fills a database from a backup; any error is fatal. Usage: fill NAME FILE
fill() {
    id=$(container "$STACK_DATABASE") || exit
    case $2 in
    *.dump)
        contents "$2" | docker exec -i "$id" pg_restore --exit-on-error -U "$DATABASE_USER" -d "$1"
        ;;
    *)
        sql_of "$2" | docker exec -i "$id" psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -U "$DATABASE_USER" -d "$1" -f -
        ;;
    esac && inside "$STACK_DATABASE" 3600 psql -X -q -U "$DATABASE_USER" -d "$1" -c ANALYZE
}

# Fills a new database from a backup and compares its rows with what the manifest says; prints its
# survey. Usage: rebuild NAME FILE
rebuild() {
    make_scratch "$1" >&2 && said=$(fill "$1" "$2" 2>&1) || {
        echo "the backup could not be restored: $(reason_in "$said")" >&2
        return 1
    }
    seen=$(survey "$1" 2>&1) || { printf '%s\n' "$seen" | tail -n 1 >&2; return 1; }
    rows=$(rows_of "$seen")
    [ -n "$rows" ] || { echo "the backup holds no table" >&2; return 1; }
    if in_backups test -f "$2.manifest.json"; then
        expected=$(contents "$2.manifest.json" | awk '/"tables": \{/ { on = 1; next } /^ \}/ { on = 0 }
            on { line = $0; sub(/^ *"/, "", line); sub(/,$/, "", line); count = line; sub(/.*": /, "", count)
                 sub(/": [0-9]+$/, "", line); gsub(/\\/, "", line); print line, count }' | sort)
        [ "$rows" = "$expected" ] || { echo "the rows restored are not those of the manifest" >&2; return 1; }
    fi
    printf '%s\n' "$seen"
}

# Proves a backup by restoring it into a database of its own, which is removed again. Usage: verify_deep FILE
verify_deep() {
    drop_scratch
    need=$(told_number "$1" database_bytes) ||
        need=$(server_number "SELECT pg_database_size($(quoted_literal "$DATABASE_NAME"))") ||
        unknown "the database does not say how large it is"
    need_room "$need" "$STACK_DOCKER_DIR"
    seen=$(rebuild "${DATABASE_NAME}_verify_$(date -u +%Y%m%dT%H%M%SZ)" "$1")
    status=$?
    drop_scratch
    [ "$status" -eq 0 ] || return
    echo "proven by a restore: ${1##*/}, $(rows_of "$seen" | awk '{ n += $NF } END { printf "%d tables, %.0f rows", NR, n }')"
}

# Copies the server's data directory, with the server stopped for it: what cannot be dumped any more may
# still be repaired by people. Prints its path.
copy_data_directory() {
    id=$(container "$STACK_DATABASE") || exit
    data=$(docker exec "$id" sh -c 'echo "${PGDATA:-/var/lib/postgresql/data}"') || return
    need=$(docker exec "$id" du -sk "$data" | awk '{ printf "%.0f\n", $1 * 1024 * 1.02 }') || return
    need_room "$need" "$STACK_BACKUP_DIR"
    name=$DATABASE_NAME-$(date -u +%Y%m%dT%H%M%SZ).data.tar
    path=$STACK_BACKUP_DIR/$name partial=$STACK_BACKUP_DIR/.$name.partial
    inside "$STACK_DATABASE" 30 psql -X -q -U "$DATABASE_USER" -d postgres -c CHECKPOINT >&2
    docker stop -t 120 "$id" >/dev/null
    said=$({ { docker cp "$id:$data" - && echo "copied=yes" >&2; } |
        in_backups sh -c 'umask 077; cat >"$1" && sync "$1"' sh "$partial"; } 2>&1)
    status=$?
    docker start "$id" >/dev/null && wait_for "$STACK_DATABASE" 120 database_accepts || return
    if [ "$status" -ne 0 ] || [ "$(fact_of "$said" copied)" != yes ]; then
        in_backups rm -f -- "$partial"
        echo "the data directory could not be copied: $(printf '%s\n' "$said" | tail -n 1)" >&2
        return 1
    fi
    in_backups mv "$partial" "$path" && echo "$path"
}

# Gives the application's name to another database, and another name to the one that has it, in one
# transaction; nobody is connected meanwhile. Usage: switch FROM ASIDE
switch() {
    from=$(quoted_name "$1") name=$(quoted_name "$DATABASE_NAME") out_of_the_way=
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        ! database_exists "$DATABASE_NAME" || out_of_the_way="ALTER DATABASE $name RENAME TO $(quoted_name "$2");"
        said=$(server_statement "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname IN ($(quoted_literal "$DATABASE_NAME"), $(quoted_literal "$1")) AND pid <> pg_backend_pid()" 2>&1 >/dev/null &&
            server_statement "BEGIN; ${out_of_the_way:-} ALTER DATABASE $from RENAME TO $name; COMMIT" 2>&1) && return
    done
    printf '%s\n' "$said" | tail -n 1 >&2
    return 1
}

# Prints a database's tables, and columns: SCHEMA.TABLE or SCHEMA.TABLE.COLUMN a line. Usage: columns_of DATABASE
columns_of() {
    inside "$STACK_DATABASE" 60 psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$DATABASE_USER" -d "$1" -c "
        SELECT DISTINCT nspname || '.' || relname || part
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace JOIN pg_attribute ON attrelid = c.oid,
            unnest(ARRAY['', '.' || attname]) AS part
        WHERE relkind IN ('r', 'p', 'v', 'm') AND attnum > 0 AND NOT attisdropped
            AND nspname <> 'information_schema' AND nspname !~ '^pg_'"
}

# Prints what the present database has, and a restored one lacks, that the code of the API names: with
# that the API cannot work. Usage: lacking PRESENT RESTORED
lacking() {
    present=$(columns_of "$1") && restored=$(columns_of "$2") || return
    lost=$(printf '%s\n' "$present" | grep -vxF "${restored:--}" | sort |
        awk -F . 'NF == 2 { gone[$0] } NF == 2 || !(($1 "." $2) in gone)')
    [ -n "$lost" ] || return 0
    words=$(printf '%s\n' "$lost" | awk -F . '{ print $NF }' | sort -u)
    named=$(printf '%s\n' "$words" | docker exec -i "$(container "$STACK_BACKEND")" sh -c '
        while IFS= read -r word; do set -- "$@" -e "$word"; done
        find . -type f ! -path "*/node_modules/*" -size -2048k -exec grep -ohwF "$@" {} +' 2>/dev/null | sort -u)
    [ -n "$named" ] || return 0
    printf '%s\n' "$lost" | NAMED=$named awk -F . '
        BEGIN { n = split(ENVIRON["NAMED"], word, "\n"); for (i = 1; i <= n; i++) named[word[i]] }
        $NF in named { print (NF == 2 ? "table " : "column ") $0 }'
}

# Whether the application can work with the database again, as far as it runs.
application_reads() {
    database_query "SELECT 1" >/dev/null || return
    case $(state_of "$STACK_BACKEND" 2>/dev/null) in running | restarting) ;; *) return 0 ;; esac
    application_works
}

# A disk that fills up ends the server, which needs some room to come back. So some is held while a new
# database is being filled; whoever has no root goes without. Usage: hold_room; give_room_back
hold_room() {
    (as_root fallocate -l "$held_bytes" "$STACK_DOCKER_DIR/.runbook-ballast") >/dev/null 2>&1 || true
}
# Gives back what hold_room holds.
give_room_back() {
    (as_root rm -f "$STACK_DOCKER_DIR/.runbook-ballast") >/dev/null 2>&1 || true
}
held_bytes=67108864

# After a new database could not be filled: lets the server come back, and removes what was begun.
give_up() {
    give_room_back
    database_accepts >/dev/null 2>&1 || {
        wait_for "$STACK_DATABASE" 20 database_accepts || docker start "$(container "$STACK_DATABASE")" >/dev/null
        wait_for "$STACK_DATABASE" 120 database_accepts || echo "the database server does not come back: free disk space, and start it" >&2
    }
    drop_scratch
}

# Bytes that a restore needs beside the present database. Usage: restore_estimate FILE
restore_estimate() {
    bytes=$(told_number "$1" database_bytes)
    # What is packed is some times as large when it is not.
    [ -n "$bytes" ] || bytes=$(($(in_backups stat -c %s "$1") * 8))
    echo "$((bytes + held_bytes))"
}

# Restores a backup into a new database and puts it in the place of the present one, which is backed up
# first and kept beside it. Before the switch nothing of the present database changes; a failure
# after it switches back. Usage: restore_backup newest|FILE
restore_backup() {
    chosen=$(choose_backup "$1") || exit
    echo "restoring $chosen"
    give_room_back
    drop_scratch
    need_room "$(restore_estimate "$chosen")" "$STACK_DOCKER_DIR"
    was=
    if database_exists "$DATABASE_NAME"; then
        if kept=$(back_up -before-restore 2>&1) || [ $? -eq 5 ]; then
            kept=$(printf '%s\n' "$kept" | grep '^/' | head -n 1)
            was=$(told "$kept" newest_row)
        else
            case $kept in *"no room in "*) unknown "${kept##*"$newline"}" ;; esac
            echo "the present database cannot be dumped: ${kept##*"$newline"}"
            kept=$(copy_data_directory) || unknown "nothing restored: what is there now could not be kept"
        fi
        echo "kept what is there now as $kept"
    fi
    stamp=$(date -u +%Y%m%dT%H%M%SZ)
    scratch=${DATABASE_NAME}_restore_$stamp aside=${DATABASE_NAME}_before_$stamp
    hold_room
    seen=$(rebuild "$scratch" "$chosen") || { give_up; return 1; }
    give_room_back
    echo "restored $(rows_of "$seen" | awk '{ n += $NF } END { printf "%d tables, %.0f rows", NR, n }') into $scratch"
    lacks=$(! database_exists "$DATABASE_NAME" || lacking "$DATABASE_NAME" "$scratch" | head -n 5 | paste -s -d , -)
    if [ -n "$lacks" ]; then
        drop_scratch
        echo "the application cannot use what is in the backup, which lacks what its code names: $lacks; the present database still serves" >&2
        return 1
    fi
    refuses=$(application_refusal "$scratch")
    if [ -n "$refuses" ]; then
        drop_scratch
        echo "the application cannot use what is in the backup: $refuses; the present database still serves" >&2
        return 1
    fi
    server_statement "COMMENT ON DATABASE $(quoted_name "$scratch") IS NULL" &&
        settings_of "$DATABASE_NAME" "$scratch" && switch "$scratch" "$aside" || {
        server_statement "COMMENT ON DATABASE $(quoted_name "$scratch") IS 'runbook: scratch'"
        drop_scratch
        echo "the databases could not be switched; the present one still serves" >&2
        return 1
    }
    ! database_exists "$aside" ||
        server_statement "COMMENT ON DATABASE $(quoted_name "$aside") IS 'runbook: replaced at $(date -u +%Y-%m-%dT%H:%M:%SZ)'"
    # One that a restore before this left halfway through its restart is started; one that crashed when its
    # sessions were ended waits for the engine, longer each time, and is restarted at once.
    case $(state_of "$STACK_BACKEND" 2>/dev/null) in
    running | restarting) restart "$STACK_BACKEND" ;;
    *) start "$STACK_BACKEND" ;;
    esac >/dev/null
    if ! wait_until "$BACKUP_API_SECONDS" application_reads; then
        why=$(application_complaint)
        ! database_exists "$aside" || {
            switch "$aside" "$scratch" && printf '%s\n' "$comment_of" | script_of_two "$scratch" "$DATABASE_NAME"
        } && restart "$STACK_BACKEND" >/dev/null
        echo "the application does not read the restored database ($why): the one before serves again, the restored one is $scratch" >&2
        return 1
    fi
    database_exists "$aside" || echo "the database was gone: who may connect to it, and its settings, are those of a new one"
    now=$(newest_of "$seen")
    [ -z "$was" ] || [ -z "$now" ] || lost "$(($(date -d "$was" +%s) - now))"
    ! database_exists "$aside" || echo "the database before is kept as $aside"
}

# Says what is lost in time.
lost() {
    if [ "$1" -gt 0 ]; then
        echo "newest row in the backup is $(span "$1") older than the newest that was there"
    else
        echo "no row that was there is newer than those of the backup"
    fi
}

# Runs a script of psql, on standard input, that has the names of two databases as variables: from and to. What
# a query returns is taken for a statement by \gexec, whatever stands in it. Usage: script_of_two FROM TO
script_of_two() {
    docker exec -i "$(container "$STACK_DATABASE")" psql -X -q -A -t -v ON_ERROR_STOP=1 -v from="$1" -v to="$2" \
        -U "$DATABASE_USER" -d postgres -f -
}

comment_of="SELECT format('COMMENT ON DATABASE %I IS %L', :'to', shobj_description(oid, 'pg_database'))
    FROM pg_database WHERE datname = :'from' \gexec"

# Gives a database what another has that no dump of it holds: who may connect, how many, its comment and its
# settings, those of single roles too; all of it or nothing. Usage: settings_of FROM TO
settings_of() {
    # Values of settings that are lists are kept quoted: they are taken over as they are.
    printf '%s\n' "BEGIN;
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', :'to', pg_get_userbyid(datdba))
    FROM pg_database WHERE datname = :'from' AND datacl IS NOT NULL \gexec
SELECT format('GRANT %s ON DATABASE %I TO %s', privilege_type, :'to',
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
        || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_database, aclexplode(datacl) WHERE datname = :'from' \gexec
SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', :'to', datconnlimit)
    FROM pg_database WHERE datname = :'from' AND datconnlimit >= 0 \gexec
$comment_of
WITH setting AS (
    SELECT split_part(item, '=', 1) AS name, substr(item, strpos(item, '=') + 1) AS value,
        CASE setrole WHEN 0 THEN format('ALTER DATABASE %I', :'to')
            ELSE format('ALTER ROLE %I IN DATABASE %I', pg_get_userbyid(setrole), :'to') END AS target
    FROM pg_db_role_setting JOIN pg_database AS d ON d.oid = setdatabase, unnest(setconfig) AS item
    WHERE datname = :'from')
SELECT CASE
    WHEN name IN ('search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries') THEN
        format('DO %L', format('BEGIN PERFORM pg_catalog.set_config(%L, %L, true); %s SET %I FROM CURRENT; RESET %4\$I; END', name, value, target, name))
    ELSE format('%s SET %s TO %L', target, (SELECT string_agg(quote_ident(part), '.') FROM unnest(string_to_array(name, '.')) AS part), value) END
    FROM setting \gexec
COMMIT;" | script_of_two "$1" "$2"
}

# --- removing old ones ------------------------------------------------------------------------

# Lists what may go, the oldest first: proven backups beyond the newest BACKUP_KEEP that are older than
# BACKUP_DAYS. What is not proven is never counted, and never removed. Usage: old_proven_backups
old_proven_backups() {
    limit=$(($(date +%s) - BACKUP_DAYS * 86400))
    backup_files | own_backups | {
        proven=0
        while IFS='	' read -r time bytes path; do
            prove "$path" 2>/dev/null || continue
            case $path in
            *-before-restore.dump) [ "$time" -ge "$limit" ] || printf '%s\t%s\t%s\n' "$time" "$bytes" "$path"; continue ;;
            esac
            proven=$((proven + 1))
            [ "$proven" -le "$BACKUP_KEEP" ] || [ "$time" -ge "$limit" ] || printf '%s\t%s\t%s\n' "$time" "$bytes" "$path"
        done
    } | sort -n | cut -f 2-
}

# Databases that restores have replaced, older than BACKUP_DATABASE_DAYS: NAME a line.
replaced_databases() {
    server_statement "SELECT datname FROM pg_database WHERE datname ~ '_before_[0-9]{8}T[0-9]{6}Z\$' AND datname !~ '[[:cntrl:]]'
        AND shobj_description(oid, 'pg_database') LIKE 'runbook: replaced at %'
        AND substr(shobj_description(oid, 'pg_database'), 22)::timestamptz < now() - interval '$BACKUP_DATABASE_DAYS days'"
}

# Removes what old_proven_backups and replaced_databases list, and prints a line for each.
prune_backups() {
    old_proven_backups | while IFS='	' read -r bytes path; do
        in_backups rm -f -- "$path" "$path.manifest.json" "$path.json" "$path.sha256" &&
            echo "removed backup $path, $(mib "$bytes")"
    done
    replaced_databases | while IFS= read -r name; do
        server_statement "DROP DATABASE $(quoted_name "$name")" </dev/null && echo "removed database $name, replaced by a restore"
    done
}
