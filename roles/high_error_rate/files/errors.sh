# Shell words about the errors that the API logs, on top of stack.sh.
#
# In: STACK_BACKEND; ERRORS_WINDOW_SECONDS, ERRORS_MINIMUM, ERRORS_MINIMUM_REQUESTS,
#     ERRORS_FRESH_SECONDS, ERRORS_ACCESS_LOG, ERRORS_IGNORE, ERRORS_ROLL_BACK_TO: the inputs of
#     high_error_rate

# Prints what the API logged as errors, as one JSON object:
#   seconds          looked at: the window, but nothing from before our last change
#   lines, errors    read, and of them real errors: answers to wrong requests (401, 404, validation)
#                    are none; those of the cache, which the API works without, are cache_errors
#   requests, failed counted requests, and of them 5xx; percent: their share, null for too few
#   source           which of the two decides, in words; of that one
#   faults, per_minute, quiet_seconds (since the newest)
#   parts            what the errors point to: application, blockchain, database
# and with at least ERRORS_MINIMUM faults also
#   kinds, routes    the most frequent errors (kind, part, where, count, example), failing requests
#   onset            since when, in words; first_seconds: the same in seconds
#   after_start_seconds  from the start of the API's process to its first fault
#   previous_image   to roll back to; null when none was asked for, or the engine has none
backend_errors() {
    # A service without a container logs nothing.
    id=$(container "$STACK_BACKEND") || [ $? -eq 1 ] || exit 69
    NOW=$(date +%s)
    SINCE=$((NOW - ERRORS_WINDOW_SECONDS))
    change=$(last_change)
    [ "$change" -le "$SINCE" ] || SINCE=$change
    export NOW SINCE LINES
    found=$(count_since "$SINCE" 5000 500 50 5) || exit 69
    case $found in
    0*) printf '%s\n' "${found#*
}"; return ;;
    esac
    # shellcheck disable=SC2046  # words
    set -- $(docker inspect --format '{{.Created}} {{.State.StartedAt}} {{.Image}}' "$id")
    export DETAILS=1 CREATED="$1" STARTED="$2" IMAGE PREVIOUS=
    IMAGE=$(docker image inspect --format '{{.Created}}' "$3")
    [ -z "$ERRORS_ROLL_BACK_TO" ] || PREVIOUS=$(previous_image "$id" "$ERRORS_ROLL_BACK_TO")
    found=$(count_since "$((NOW - 86400))" 50000 5000 500 50 5) || exit 69
    printf '%s\n' "$found" | without_secrets "$id" | {
        read -r summary
        echo "$summary" >&2
        cat
    }
}

# Counts what was logged since then, in the first of these numbers of lines that can be read: one torn by
# a full disk ends every reading that meets it. Usage: count_since SINCE LINES…
count_since() {
    begin=$1
    shift
    for LINES; do
        ! logs "$begin" | count_errors || return 0
    done
    return 69
}

# Both streams of a container's log, each line with its time. Usage: log_of ID SINCE
log_of() {
    docker logs --timestamps --since "$2" --tail "$LINES" "$1" 2>&1
}

# The API's log and, behind a mark, the log of requests if one is named. Usage: logs SINCE
logs() {
    [ -z "$id" ] || log_of "$id" "$1" || echo "#failed the API's log cannot be read"
    [ -n "$ERRORS_ACCESS_LOG" ] || return 0
    echo "#requests"
    case $ERRORS_ACCESS_LOG in
    service:*) id=$(container "${ERRORS_ACCESS_LOG#service:}") && log_of "$id" "$1" ;;
    *)
        if [ -r "$ERRORS_ACCESS_LOG" ]; then
            tail -n "$LINES" "$ERRORS_ACCESS_LOG"
        else
            as_root tail -n "$LINES" "$ERRORS_ACCESS_LOG"
        fi
        ;;
    esac || echo "#failed $ERRORS_ACCESS_LOG cannot be read: set high_error_rate_access_log"
}

# Reads logs. A line begins with the time the engine gave it, else it has one of its own. Understood
# are winston's console (TIME LEVEL: MESSAGE, coloured or not, with a stack below), JSON (level,
# message, stack), what Node.js itself prints when it dies; and as requests the formats common,
# combined, and morgan's dev, short and tiny, in any of those or alone.
# Prints 1 when there is enough for details, else 0, or with DETAILS a line for people; and the JSON.
count_errors() {
    # Some awk stop at a NUL.
    tr -d '\000' | awk '
    BEGIN {
        now = ENVIRON["NOW"] + 0; since = ENVIRON["SINCE"] + 0; details = ENVIRON["DETAILS"] + 0
        window = ENVIRON["ERRORS_WINDOW_SECONDS"] + 0; limit = ENVIRON["LINES"] + 0
        ignore = ENVIRON["ERRORS_IGNORE"]; named = ENVIRON["ERRORS_ACCESS_LOG"]
        day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"; clock = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
        engine_time = day "T" clock "[.0-9]*Z "
        apache_time = "[0-9][0-9]/[A-Z][a-z][a-z]/[0-9][0-9][0-9][0-9]:" clock
        console = "^" day "[ T]" clock "[:.,]?[0-9]*Z? +\\[?(error|warn|info|http|verbose|debug|silly)\\]?: "
        raised = "^(Uncaught )?([A-Z][A-Za-z]*)?Error(: | \\[)"
        for (i = 0; i < 24; i++) token = token "[A-Za-z0-9_-]"
        created = seconds_of(ENVIRON["CREATED"]); started = seconds_of(ENVIRON["STARTED"])
    }

    # Seconds since the epoch of 2026-01-19T15:05:42 or 19/Jan/2026:15:05:42 +0100; UTC without a zone.
    function seconds_of(text,    part, y, m, zone) {
        if (match(text, apache_time)) {
            zone = substr(text, RSTART + RLENGTH, 6)
            split(substr(text, RSTART, RLENGTH), part, "[/:]")
            m = (index("JanFebMarAprMayJunJulAugSepOctNovDec", part[2]) + 2) / 3
            zone = zone ~ /^ [+-][0-9][0-9][0-9][0-9]/ ? \
                (substr(zone, 3, 2) * 3600 + substr(zone, 5, 2) * 60) * (substr(zone, 2, 1) == "-" ? -1 : 1) : 0
            return epoch(part[3] + 0, m, part[1] + 0) + part[4] * 3600 + part[5] * 60 + part[6] - zone
        }
        if (!match(text, day "[T ]" clock)) return 0
        split(substr(text, RSTART, RLENGTH), part, "[-T: ]")
        return epoch(part[1] + 0, part[2] + 0, part[3] + 0) + part[4] * 3600 + part[5] * 60 + part[6]
    }
    function epoch(y, m, d) {
        if (m <= 2) { y--; m += 12 }
        return (365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * (m - 3) + 2) / 5) + d - 719469) * 86400
    }

    # What a line of JSON holds under a name: text or number.
    function json_value(line, name,    value, next_one) {
        if (match(line, "\"" name "\" *: *[0-9]+")) {
            value = substr(line, RSTART, RLENGTH); sub(/.*[: ]/, "", value)
            return value
        }
        if (!match(line, "\"" name "\" *: *\"")) return ""
        line = substr(line, RSTART + RLENGTH)
        while (match(line, /["\\]/)) {
            value = value substr(line, 1, RSTART - 1)
            if (substr(line, RSTART, 1) == "\"") return value
            next_one = substr(line, RSTART + 1, 1)
            line = substr(line, RSTART + 2)
            if (next_one == "n") value = value "\n"
            else if (next_one == "u") { value = value (substr(line, 1, 4) == "001b" ? "\033" : "?"); line = substr(line, 5) }
            else value = value (next_one == "t" ? " " : next_one)
        }
        return ""
    }
    function quoted(text) {
        gsub(/[\001-\037\177]/, " ", text); gsub(/\\/, "&&", text); gsub(/"/, "\\\\&", text)
        return "\"" text "\""
    }
    function plain(text) {
        if (index(text, "\033")) gsub(/\033\[[0-9;]*m/, "", text)
        return text
    }

    # What errors of one kind have in common, and nothing of the person they happened to.
    function pattern_of(text) {
        sub(/\n.*/, "", text)
        gsub(/[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+/, "<email>", text)
        gsub(token "[A-Za-z0-9_-]*", "<token>", text)
        gsub(/[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+|0x[0-9a-fA-F]+|[0-9]+/, "#", text)
        return substr(text, 1, 120)
    }

    # Sets kind and part of an error; kind is empty for the answer to a wrong request.
    function classify(text,    low) {
        part = "application"; kind = ""; low = tolower(text)
        if (ignore != "" && text ~ ignore) return
        if (text ~ /^SyntaxError: .*JSON/) return
        if (text ~ /^(Validation|JsonWebToken|TokenExpired|NotBefore|BadRequest|PayloadTooLarge|Multer|Zod|URI)[A-Za-z]*Error/) return
        kind = "Error"
        if (text ~ /Uncaught|Unhandled/) kind = "Uncaught exception"
        if (match(text, /(Type|Reference|Range|Syntax|Assertion)Error/)) { kind = substr(text, RSTART, RLENGTH); return }
        if (low ~ /redis|:6379|^cache /) { part = "cache"; kind = "Cache" }
        else if (low ~ /blockchain|call_exception|execution reverted|could not (coalesce|detect)|missing revert data|jsonrpc|:8545/) {
            part = "blockchain"; kind = "Blockchain"
        } else if (low ~ /(relation|column|table|function|type|schema) .*does not exist/) {
            part = "database"; kind = "Database schema"
        } else if (low ~ /database|:5432|too many clients|deadlock detected|violates [a-z -]*constraint|duplicate key|trying to connect|connection terminated|password authentication/) {
            part = "database"; kind = "Database"
        } else if (kind == "Error") {
            if (low ~ /internal_error|internal server/) kind = "INTERNAL_ERROR"
            else if (low ~ /unauthori[sz]ed|forbidden|not found|invalid (credential|token|csrf|session|signature|input|request|email|password|id)|csrf|jwt |validation|is required|must be |bad request|too many (login|requests|attempts)|access denied|already (exists|in use|taken)|request aborted|entity too large/) kind = ""
            # Where the message does not say it, the stack does.
            else if (stack ~ /blockchain|ethers|certificate/) part = "blockchain"
            else if (stack ~ /\/pg(-pool|-protocol)?\/|database/) part = "database"
            else if (stack ~ /redis/) part = "cache"
        }
    }

    # Errors and failing requests are two series; only at the end it is known which one decides.
    function fault(series, at) {
        if (at - newest[series] > window) first[series] = at
        if (at > newest[series]) newest[series] = at
        if (!(series in after) && at >= started) after[series] = at
        if (at < since) return 0
        return ++faults[series]
    }

    function open_error(text, at) {
        open = 1; message = text; moment = at; stack = ""; where = ""; status = 0
    }
    function add_stack(line,    path) {
        if (length(stack) < 4000) stack = stack line "\n"
        if (where == "" && line !~ /node_modules|node:/ && match(line, /\/[^ ()]+:[0-9]+:[0-9]+/)) {
            path = substr(line, RSTART + 1, RLENGTH - 1); sub(/:[0-9]+$/, "", path)
            while (split(path, piece, "/") > 2) sub(/^[^\/]*\//, "", path)
            where = path
        }
    }
    # An error that the API logged, when all of its stack is known.
    function close_error(    text, key) {
        if (!open) return
        open = 0; text = message; sub(/^(Error|error): /, "", text)
        classify(text)
        if (kind == "" || (status >= 400 && status < 500)) return
        # A failing query is logged twice: where it fails, and with its stack by who answers 500.
        if (part == "database" && stack == "" && text ~ /query error/) { told++; told_at = moment }
        else if (part == "database" && stack != "" && told > 0 && moment - told_at <= 2) {
            told--
            if (where != "" && last_database in count) site[last_database] = where
            return
        }
        key = kind SUBSEP part SUBSEP pattern_of(text)
        if (part == "database") last_database = key
        if (part == "cache") { if (moment < since) return; cache_errors++ }
        else {
            if (!fault("errors", moment)) return
            if (!(part in pointed)) { pointed[part]; parts = parts (parts == "" ? "" : ",") quoted(part) }
        }
        if (!(key in count) && ++keys > 200) key = kind SUBSEP part SUBSEP "others"
        count[key]++
        if (where != "") site[key] = where
    }

    # Reads a line, or a message, that may tell of a request; says whether it did.
    function is_request(line, at,    word, n, code, route) {
        if (match(line, /"[A-Z]+ [^"]*" [1-5][0-9][0-9]( |$)/) || \
            match(line, /(^| )(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \/[^ ]* (HTTP\/[0-9.]+ )?[1-5][0-9][0-9] /)) {
            line = substr(line, RSTART, RLENGTH); gsub(/^ | $/, "", line)
            n = split(line, word, " ")
            code = word[n]; route = substr(word[1], 1 + (word[1] ~ /^"/)) " " word[2]
        } else if (line ~ /^\{.*"method" *:/ && (code = json_value(line, "status(Code)?")) != "") {
            route = json_value(line, "url"); if (route == "") route = json_value(line, "path")
            route = json_value(line, "method") " " route
        } else return 0
        if (at < since) { if (code >= 500) fault("requests", at); return 1 }
        requests++
        if (code < 500) return 1
        fault("requests", at)
        sub(/\?.*/, "", route); route = code " " pattern_of(route)
        if (!(route in routes) && ++keys > 200) route = code " others"
        routes[route]++
        return 1
    }

    /^#failed / { failure = substr($0, 9); exit }
    /^#requests$/ { close_error(); named_part = 1; next }
    {
        count_of[named_part + 0]++; lines++
        # The engine puts its time, and perhaps bytes of its own, before a line.
        at = 0; line = $0
        if (match(line, engine_time) && RSTART <= 9) {
            at = substr(line, RSTART, RLENGTH); line = substr(line, RSTART + RLENGTH); at = seconds_of(at)
        }
        line = plain(line); sub(/\r$/, "", line)
        if (named_part) {
            if (!at) at = seconds_of(line)
            if (at && !oldest[1]) oldest[1] = at
            if (!is_request(line, at) && line ~ /^\{/) is_request(json_value(line, "message"), at)
            next
        }
        if (at && !oldest[0]) oldest[0] = at
        if (match(line, console)) {
            level = substr(line, 1, RLENGTH); text = substr(line, 1 + RLENGTH)
            close_error()
            if (!at) at = seconds_of(level)
            if (level ~ /error\]?: $/) open_error(text, at)
            else if (named == "") is_request(text, at)
        } else if (line ~ /^\{.*"level" *:/) {
            close_error()
            if (!at) at = seconds_of(json_value(line, "time(stamp)?"))
            text = json_value(line, "message"); if (text == "") text = json_value(line, "msg")
            level = plain(json_value(line, "level"))
            if (level == "error" || level == "fatal" || level + 0 >= 50) {
                open_error(text, at)
                status = json_value(line, "status(Code)?") + 0
                n = split(text "\n" json_value(line, "stack"), frame, "\n")
                for (i = 2; i <= n; i++) if (frame[i] ~ /^ +at /) add_stack(frame[i])
                close_error()
            } else if (named == "" && !is_request(line, at)) is_request(text, at)
        } else if (open && (line ~ /^ +at / || stack == "" || line !~ raised)) {
            if (line ~ /^ +at /) add_stack(line)
        } else if (at && line ~ raised) {
            close_error()
            open_error(line, at)
        } else if (named == "") is_request(line, at)
    }

    function ago(span) {
        if (span < 90) return int(span > 0 ? span : 0) " seconds"
        if (span < 5400) return int(span / 60 + .5) " minutes"
        if (span < 172800) return int(span / 3600 + .5) " hours"
        return int(span / 86400 + .5) " days"
    }
    function most(table,    key, best) {
        for (key in table) if (best == "" || table[key] > table[best] || (table[key] == table[best] && key < best)) best = key
        return best
    }

    END {
        if (failure != "") { print failure | "cat >&2"; close("cat >&2"); exit 69 }
        close_error()
        enough = requests > 0 && requests >= ENVIRON["ERRORS_MINIMUM_REQUESTS"] + 0
        series = enough ? "requests" : "errors"
        section = enough && named != "" ? 1 : 0
        if (count_of[section] >= limit && oldest[section] > since) since = oldest[section]
        if (created > since) since = created
        seconds = now > since ? now - since : 1
        quiet = now > newest[series] ? now - newest[series] : 0
        rate = faults[series] * 60 / seconds
        percent = enough ? sprintf("%.1f", 100 * faults["requests"] / requests) : "null"
        if (enough) source = "5xx of " requests " requests in " (named == "" ? "the log of the API" : named)
        else source = "error lines of the API, " (requests ? "too few" : "no") " requests are logged"
        out = sprintf("{\"seconds\":%d,\"lines\":%d,\"errors\":%d,\"cache_errors\":%d,\"requests\":%d,\"failed\":%d,\"percent\":%s", \
            seconds, lines, faults["errors"], cache_errors, requests, faults["requests"], percent)
        out = out sprintf(",\"source\":%s,\"faults\":%d,\"per_minute\":%.1f,\"quiet_seconds\":%s,\"parts\":[%s]", \
            quoted(source), faults[series], rate, newest[series] ? quiet : "null", parts)
        if (details) more()
        else print (faults[series] >= ENVIRON["ERRORS_MINIMUM"] + 0)
        print out "}"
    }

    function more(    begin, start, fresh, n, key, onset, summary, list, list_routes) {
        begin = first[series]; start = series in after ? after[series] - started : -1
        fresh = ENVIRON["ERRORS_FRESH_SECONDS"] + 0
        onset = "for " ago(now - begin)
        if (begin - created <= fresh)
            onset = "since the deployment " ago(now - created) " ago (image made " ago(now - seconds_of(ENVIRON["IMAGE"])) " ago)"
        else if (started > begin) onset = onset ", through the restart " ago(now - started) " ago"
        else if (start <= fresh) onset = "since the start of the API " ago(now - started) " ago"
        else onset = onset "; the API was started " ago(now - started) " ago"
        summary = (enough ? percent " % of " requests " requests failed, " : faults[series] " errors, " sprintf("%.1f a minute, ", rate)) onset
        for (n = 1; n <= 5 && (key = most(count)) != ""; n++) {
            split(key, piece, SUBSEP)
            summary = summary (n == 1 ? ": " : "; ") count[key] " x " piece[3] (key in site ? " (" site[key] ")" : "")
            list = list (n == 1 ? "" : ",") sprintf("{\"kind\":%s,\"part\":%s,\"where\":%s,\"count\":%d,\"example\":%s}", \
                quoted(piece[1]), quoted(piece[2]), quoted(site[key]), count[key], quoted(piece[3]))
            delete count[key]
        }
        for (n = 1; n <= 5 && (key = most(routes)) != ""; n++) {
            if (list == "") summary = summary (n == 1 ? ": " : "; ") routes[key] " x " key
            list_routes = list_routes (n == 1 ? "" : ",") "{\"route\":" quoted(key) ",\"count\":" routes[key] "}"
            delete routes[key]
        }
        gsub(/[\001-\037]/, " ", summary)
        print summary
        out = out sprintf(",\"onset\":%s,\"first_seconds\":%d,\"after_start_seconds\":%s,\"previous_image\":%s,\"kinds\":[%s],\"routes\":[%s]", \
            quoted(onset), now - begin, start < 0 ? "null" : start, \
            ENVIRON["PREVIOUS"] == "" ? "null" : quoted(ENVIRON["PREVIOUS"]), list, list_routes)
    }'
}

# Prints the id of the image to roll a container back to: the one WANTED names, or for "previous" the
# newest that is older than the container's, starts the same way, and is of the same repository or
# has lost its tag. Once rolled back, there is nothing further to roll back to.
# Usage: previous_image CONTAINER WANTED
previous_image() {
    # shellcheck disable=SC2046
    set -- "$2" $(docker inspect --format '{{.Image}} {{.Config.Image}}' "$1")
    if [ "$1" != previous ]; then
        docker image inspect --format '{{.Id}}' "$1" | grep -vxF "$2"
        return
    fi
    # shellcheck disable=SC2046
    docker image inspect --format \
        '{{.Id}}{{"\t"}}{{.Created}}{{"\t"}}{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{.Config.WorkingDir}} {{json .Config.ExposedPorts}}{{"\t"}}{{range .RepoTags}}{{.}} {{end}}{{range .RepoDigests}}{{.}} {{end}}' \
        $(docker images -a -q --no-trunc | sort -u) |
        CURRENT=$2 REPOSITORY=$(repository "$3") awk -F '\t' '
            { gsub(/\[\]/, "null", $3); id[NR] = $1; made[NR] = $2; shape[NR] = $3; names[NR] = " " $4; if ($1 == ENVIRON["CURRENT"]) now = NR }
            END {
                mine = " " ENVIRON["REPOSITORY"]
                for (i = 1; i <= NR; i++) {
                    if (index(names[i], mine ":rolled-back-") && made[i] > made[now]) exit
                    if (made[i] < made[now] && shape[i] == shape[now] && made[i] > made[best] \
                        && (names[i] == " " || index(names[i], mine ":") || index(names[i], mine "@"))) best = i
                }
                if (best) print id[best]
            }'
}

# The name of an image without tag and digest.
repository() { echo "$1" | sed 's|@.*||; s|:[^:/]*$||'; }

# Gives a service's image name to another image, and makes its container anew from that. The image it
# had keeps a name. Usage: roll_back SERVICE IMAGE
roll_back() {
    id=$(container "$1") || exit
    name=$(docker inspect --format '{{.Config.Image}}' "$id")
    case $name in
    sha256:* | *@*) unknown "$1 is pinned to $name: change the compose file" ;;
    esac
    kept=$(repository "$name"):rolled-back-$(date -u +%Y%m%d-%H%M%S)
    docker tag "$(docker inspect --format '{{.Image}}' "$id")" "$kept" &&
        docker tag "$2" "$name" && recreate "$1" >&2 &&
        echo "$1 runs the image $2 again; the one it had is kept as $kept"
}

# Waits until the API answers; what it logged before counts no more. Usage: forget_errors SECONDS
forget_errors() {
    wait_until "$1" answers && note_change
}
answers() { [ "$(http 3 "$STACK_BACKEND_URL/health")" = 200 ]; }
