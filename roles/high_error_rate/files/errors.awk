# Reads the API's log: what it holds of errors, counted and told apart. Its caller is count_errors in
# errors.sh. In, from the environment: NOW, SINCE (seconds since the epoch), LINES (how many were
# asked for), DETAILS, CREATED, STARTED, IMAGE (times of the container and its image), PREVIOUS,
# WRONG_REQUESTS (what answers to wrong requests say), and the inputs ERRORS_… of high_error_rate.
# Out: "1" when there is enough for details, with " bare" when errors lack their text, else "0"; with
# DETAILS a line for people instead; and in the next line the JSON that backend_errors prints.

BEGIN {
    now = ENVIRON["NOW"] + 0; since = ENVIRON["SINCE"] + 0; details = ENVIRON["DETAILS"] + 0
    window = ENVIRON["ERRORS_WINDOW_SECONDS"] + 0; limit = ENVIRON["LINES"] + 0
    ignore = ENVIRON["ERRORS_IGNORE"]; named = ENVIRON["ERRORS_ACCESS_LOG"]
    minimum = ENVIRON["ERRORS_MINIMUM"] + 0
    wrong_requests = ENVIRON["WRONG_REQUESTS"]
    day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"; clock = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
    engine_time = day "T" clock "[.0-9]*Z "
    apache_time = "[0-9][0-9]/[A-Z][a-z][a-z]/[0-9][0-9][0-9][0-9]:" clock
    console = "^" day "[ T]" clock "[:.,]?[0-9]*Z? +\\[?(error|warn|info|http|verbose|debug|silly)\\]?: "
    # An error that is printed as it is: one of JavaScript's, or the database driver's "error: ".
    raised = "^((Uncaught )?([A-Z][A-Za-z]*)?Error(: | \\[)|error: )"
    # What only notes that something failed; the error itself is logged beside it, or not at all.
    note = "^(Database query error|Transaction rolled back|Error (issuing|verifying|getting|revoking) )"
    address = "[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+"
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

# Whether a word of text is a name of something (users_email_key, idx_2024, school-mgmt-db-1) and not a
# token: its parts are letters, short numbers, or letters with a short number behind.
function is_name(word,    part, n, i) {
    if (word ~ /-/ && word ~ /[A-Z]/) return 0
    n = split(word, part, /[_-]/)
    for (i = 1; i <= n; i++) {
        if (part[i] !~ /^([A-Za-z]*[0-9]?[0-9]?[0-9]?[0-9]?)$/) return 0
        if (length(part[i]) > 20) return 0
    }
    return word ~ /[A-Za-z]/
}
# What errors of one kind have in common, and nothing of the person they happened to. Names of tables,
# columns, constraints, files and containers stay: they say what is wrong.
function pattern_of(text,    out, word) {
    sub(/\n.*/, "", text)
    gsub(/[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+/, "<email>", text)
    gsub(/[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+-[0-9a-fA-F]+|0x[0-9a-fA-F]+/, "#", text)
    gsub(address, "<address>", text)
    while (match(text, /[A-Za-z0-9_-]+/)) {
        out = out substr(text, 1, RSTART - 1)
        word = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
        if (!is_name(word) && out !~ />:$/) {
            if (length(word) >= 24) word = "<token>"
            else gsub(/[0-9]+/, "#", word)
        }
        out = out word
    }
    return substr(out text, 1, 160)
}

# The SQLSTATE of what PostgreSQL or its driver says in words, for logs that do not have it.
function sqlstate_in(low) {
    if (low ~ /column .* does not exist/) return "42703"
    if (low ~ /relation .* does not exist/) return "42P01"
    if (low ~ /function .* does not exist/) return "42883"
    if (low ~ /(type|operator|schema|sequence|view) .*does not exist/) return "42704"
    if (low ~ /database "[^"]*" does not exist/) return "3D000"
    if (low ~ /role "[^"]*" does not exist|password authentication failed|no pg_hba\.conf entry/) return "28P01"
    if (low ~ /syntax error at or near/) return "42601"
    if (low ~ /permission denied for/) return "42501"
    if (low ~ /duplicate key value/) return "23505"
    if (low ~ /violates foreign key/) return "23503"
    if (low ~ /violates not-null/) return "23502"
    if (low ~ /violates .*constraint/) return "23514"
    if (low ~ /read-only transaction/) return "25006"
    if (low ~ /current transaction is aborted/) return "25P02"
    if (low ~ /reached maximum value of sequence/) return "2200H"
    if (low ~ /invalid input syntax|value too long for|out of range for type|division by zero/) return "22000"
    if (low ~ /too many (clients|connections)|remaining connection slots/) return "53300"
    if (low ~ /out of shared memory/) return "53200"
    if (low ~ /could not (extend|write).*no space left|no space left on device/) return "53100"
    if (low ~ /deadlock detected/) return "40P01"
    if (low ~ /could not serialize access/) return "40001"
    if (low ~ /lock timeout|could not obtain lock/) return "55P03"
    if (low ~ /canceling statement due to/) return "57014"
    if (low ~ /database system is (starting|shutting|not yet|in recovery)/) return "57P03"
    if (low ~ /terminating connection due to/) return "57P01"
    if (low ~ /invalid page in block|could not read block/) return "XX001"
    if (low ~ /connection terminated|trying to connect|on idle client|:5432|server closed the connection/) return "08006"
    return ""
}
# What an SQLSTATE means, in a word for its kind and in words for people; whether a new process of the
# API can change that: only where its connections are what is wrong.
function explain(code,    class) {
    class = substr(code, 1, 2); advice = ""; restart = 0
    if (code == "42501") { kind = "Database permission"; advice = "the application's role lacks a permission" }
    else if (class == "42" || class == "3F") { kind = "Database schema"; advice = "the schema does not fit the code, which is a deployment or migration" }
    else if (class == "23") { kind = "Database constraint"; advice = "a constraint of the database refuses what the code writes" }
    else if (code == "25006") { kind = "Database read-only"; advice = "the database is read-only: who set default_transaction_read_only, or is it a standby?" }
    else if (code == "2200H") { kind = "Database sequence"; advice = "a sequence has no numbers left" }
    else if (class == "22") { kind = "Database data"; advice = "the database refuses the value, or cannot compute with it" }
    else if (class == "28") { kind = "Database credentials"; advice = "the database refuses the application's credentials" }
    else if (class == "3D") { kind = "Database missing"; advice = "the application's database does not exist" }
    else if (code == "53300") { kind = "Database sessions"; advice = "the database has no session left"; restart = 1 }
    else if (code == "53100") { kind = "Database resources"; advice = "the database's disk is full" }
    else if (code == "53200") { kind = "Database resources"; advice = "the database is out of memory, or of shared memory for locks" }
    else if (class == "53" || class == "54") { kind = "Database resources"; advice = "the database is at a limit" }
    else if (class == "40") { kind = "Database deadlock"; advice = "transactions meet each other's locks" }
    else if (class == "55" || code == "57014") { kind = "Database wait"; advice = "statements wait for locks or last too long" }
    else if (class == "58" || class == "XX") { kind = "Database damage"; advice = "the database met an error of its disk or its data" }
    else { kind = "Database"; restart = class == "08" || class == "57" || class == "" }
}

# Sets kind, part, sqlstate, advice and restart (whether a new process may help) of an error, from its
# text and what was printed below it; kind is empty for the answer to a wrong request.
function classify(text, code,    low) {
    part = "application"; kind = ""; sqlstate = ""; advice = ""; restart = 1; low = tolower(text)
    if (ignore != "" && text ~ ignore) return
    if (text ~ /^SyntaxError: .*JSON/) return
    if (text ~ /^(Validation|JsonWebToken|TokenExpired|NotBefore|BadRequest|Unauthorized|Forbidden|NotFound|Conflict|PayloadTooLarge|Multer|Zod|URI)[A-Za-z]*Error/) return
    kind = "Error"
    if (text ~ /Uncaught|Unhandled/) kind = "Uncaught exception"
    if (match(text, /(Type|Reference|Range|Syntax|Assertion)Error/)) { kind = substr(text, RSTART, RLENGTH); return }
    if (low ~ /redis|:6379|^cache |(getting|setting|deleting|clearing) cache/) { part = "cache"; kind = "Cache"; return }
    if (low ~ /blockchain|call_exception|bad_data|execution reverted|could not (coalesce|detect|decode result)|missing revert data|jsonrpc|:8545|(issu|verify|gett|revok)(e|ing) (student )?certificates?/ || code ~ /^(CALL_EXCEPTION|BAD_DATA|NETWORK_ERROR|SERVER_ERROR|INSUFFICIENT_FUNDS|NONCE_EXPIRED)$/) {
        part = "blockchain"; kind = "Blockchain"; return
    }
    if (code ~ /^[0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z]$/ && code ~ /[0-9]/) sqlstate = code
    else sqlstate = sqlstate_in(low)
    if (sqlstate != "" || low ~ /database|transaction rolled back|too many clients/) {
        part = "database"; explain(sqlstate)
        return
    }
    if (kind != "Error") return
    if (low ~ /internal_error|internal server|error occurred while processing/) kind = "INTERNAL_ERROR"
    else if (wrong_requests != "" && low ~ wrong_requests) kind = ""
    # Where the message does not say it, the stack does.
    else if (stack ~ /blockchain|ethers|certificate/) { part = "blockchain"; kind = "Blockchain" }
    else if (stack ~ /\/pg(-pool|-protocol)?\/|database/) { part = "database"; explain("") }
    else if (stack ~ /redis/) { part = "cache"; kind = "Cache" }
    if (part == "application" && kind != "" && low ~ /eai_again|enotfound|econnrefused|ehostunreach|enetunreach|etimedout/) {
        part = "another service"; restart = 0
        advice = "it does not reach another service: whether that runs, and is on its network, decides"
    }
}

# Errors and failing requests are two series; only at the end it is known which one decides.
function fault(series, at) {
    if (at - newest[series] > window) first[series] = at
    if (at > newest[series]) newest[series] = at
    if (!(series in after) && at >= started) after[series] = at
    if (at < since) return 0
    failing[series, at]++
    return ++faults[series]
}

# Whether an error is only the shadow of one just before: the first error of a chain is its cause. A
# query that failed is followed by the API's own 500 and by a TypeError over the rows that are not there.
function is_shadow() {
    if (sqlstate == "25P02") return cause_at > 0 && moment - cause_at <= 60
    if (part != "application" || !restart || kind == "Uncaught exception" || moment - cause_at > 1 || shadows <= 0) return 0
    shadows--
    return 1
}
# Whether an error was counted a moment ago, by the line that only notes it, or by itself; what the
# other one did not say is added.
function is_twin(text, noted, core,    old) {
    if (part != twin_part || twins <= 0 || moment - cause_at > 1 || noted == twin_noted) return 0
    if (core != "" && twin_core != "" && core != twin_core) return 0
    twins--
    old = twin_key
    if (old in count && twin_core == "" && core != "") {
        twin_key = key_of(text)
        if (--count[old] <= 0) { delete count[old]; keys-- }
        add_kind(twin_key)
    }
    if (where != "" && twin_key in count) site[twin_key] = where
    return 1
}
function key_of(text) { return kind SUBSEP part SUBSEP pattern_of(text) SUBSEP sqlstate }
function add_kind(key) {
    if (!(key in count) && ++keys > 200) key = kind SUBSEP part SUBSEP "others" SUBSEP sqlstate
    count[key]++; hint[key] = advice; helps[key] = restart
    if (where != "") site[key] = where
}

function open_error(text, at, own) {
    open = 1; message = text; moment = at; stamp = own; stack = ""; where = ""; status = 0; code = ""
}
function add_stack(line,    path) {
    if (length(stack) < 4000) stack = stack line "\n"
    if (where == "" && line !~ /node_modules|node:/ && match(line, /\/[^ ()]+:[0-9]+:[0-9]+/)) {
        path = substr(line, RSTART + 1, RLENGTH - 1); sub(/:[0-9]+$/, "", path)
        while (split(path, piece, "/") > 2) sub(/^[^\/]*\//, "", path)
        where = path
    }
}
# A message without its error, which only the log in the container has.
function is_bare(text) {
    return text ~ /^(Database query error|Transaction rolled back|Unexpected error on idle client|Database health check failed|Error [a-z]+ing [a-zA-Z ]+|Failed to [a-z]+ [A-Za-z ]+)$/
}
# An error that the API logged, when all of its lines are known.
function close_error(    text, key, core, noted) {
    if (!open) return
    open = 0; text = message
    sub(/^[^A-Za-z0-9"(\[{<_]+/, "", text)
    while (sub(/^(Error|error): /, "", text));
    if (is_bare(text)) {
        if ((stamp, text, 1) in field) text = text ": " next_field(stamp, text)
        else bare++
    }
    classify(text, code)
    if (kind == "" || (status >= 400 && status < 500)) return
    # Whether it is the first line that tells of it or the second: it is there.
    if (kind == "Database schema" && moment >= since) schema++
    if (is_shadow()) return
    noted = text ~ note
    core = text
    if (noted) sub(/^[^:]*(: |$)/, "", core)
    if (part != "cache" && is_twin(text, noted, core)) return
    key = key_of(text)
    if (part == "cache") { if (moment < since) return; cache_errors++ }
    else {
        if (part != "application" || !restart) { cause_at = moment; shadows += 3; if (shadows > 30) shadows = 30 }
        if (twin_key != key) twins = 0
        twins++; twin_key = key; twin_part = part; twin_noted = noted; twin_core = core
        if (!fault("errors", moment)) return
        if (restart) curable++
        if (!(part in pointed)) { pointed[part]; parts = parts (parts == "" ? "" : ",") quoted(part) }
    }
    add_kind(key)
}
# The texts of the log in the container, by the second and the message they stand beside.
function add_field(line,    at, text, n) {
    text = json_value(line, "message"); at = substr(json_value(line, "timestamp"), 1, 19)
    sub(/^[^A-Za-z0-9"(\[{<_]+/, "", text)
    if (json_value(line, "error") == "") return
    n = ++fields[at, text]; field[at, text, n] = json_value(line, "error")
}
function next_field(at, text,    n) {
    n = ++taken[at, text]
    if (n > fields[at, text]) n = fields[at, text]
    return field[at, text, n]
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
    requests++; asked[at]++
    if (code < 500) return 1
    fault("requests", at)
    sub(/\?.*/, "", route); route = code " " pattern_of(route)
    if (!(route in routes) && ++keys > 200) route = code " others"
    routes[route]++
    return 1
}

/^#failed / { failure = substr($0, 9); exit }
/^#fields$/ { in_fields = 1; next }
/^#log$/ { in_fields = 0; next }
in_fields { if (/^\{/) add_field(plain($0)); next }
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
        if (level ~ /error\]?: $/) open_error(text, at, substr(level, 1, 19))
        else if (named == "") is_request(text, at)
    } else if (line ~ /^\{.*"level" *:/) {
        close_error()
        if (!at) at = seconds_of(json_value(line, "time(stamp)?"))
        text = json_value(line, "message"); if (text == "") text = json_value(line, "msg")
        level = plain(json_value(line, "level"))
        if (level == "error" || level == "fatal" || level + 0 >= 50) {
            if (is_bare(text) && json_value(line, "error") != "") text = text ": " json_value(line, "error")
            open_error(text, at, "")
            status = json_value(line, "status(Code)?") + 0; code = json_value(line, "code")
            n = split(text "\n" json_value(line, "stack"), frame, "\n")
            for (i = 2; i <= n; i++) if (frame[i] ~ /^ +at /) add_stack(frame[i])
            close_error()
        } else if (named == "" && !is_request(line, at)) is_request(text, at)
    } else if (open && line ~ /^ +at /) add_stack(line)
    else if (open && match(line, /^ +code: '[A-Za-z0-9_]+'/)) {
        code = substr(line, RSTART, RLENGTH - 1); sub(/.*'/, "", code)
    } else if (line ~ raised && (at || open) && !(open && (message == "" || message ~ /: *$/))) {
        if (!at) at = moment
        close_error()
        open_error(line, at, "")
    } else if (!open && named == "") is_request(line, at)
    else if (open && line ~ /^}/) close_error()
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

# The newest row of faults without a long pause: when it began, how many there were, in how many seconds
# of their own. One moment of many failures is a single second of it.
function newest_row(series,    at, pause) {
    row_start = newest[series]; row_faults = row_seconds = 0
    for (at = row_start; at >= since && at > 0 && pause <= 30; at--) {
        if (!((series, at) in failing)) { pause++; continue }
        pause = 0; row_start = at; row_faults += failing[series, at]; row_seconds++
    }
}

END {
    if (failure != "") { print failure | "cat >&2"; close("cat >&2"); exit 69 }
    close_error()
    enough = requests > 0 && requests >= ENVIRON["ERRORS_MINIMUM_REQUESTS"] + 0
    series = enough ? "requests" : "errors"
    section = enough && named != "" ? 1 : 0
    if (count_of[section] >= limit && oldest[section] > since) since = oldest[section]
    if (created > since) since = created
    newest_row(series)
    seconds = now > row_start && row_faults ? now - row_start : 1
    quiet = now > newest[series] ? now - newest[series] : 0
    rate = row_faults * 60 / seconds
    percent = enough ? percent_of() : "null"
    if (enough) source = "5xx of " requests " requests in " (named == "" ? "the log of the API" : named)
    else source = "error lines of the API, " (requests ? "too few" : "no") " requests are logged"
    out = sprintf("{\"seconds\":%d,\"lines\":%d,\"errors\":%d,\"cache_errors\":%d,\"requests\":%d,\"failed\":%d,\"percent\":%s", \
        seconds, lines, faults["errors"], cache_errors, requests, faults["requests"], percent)
    out = out sprintf(",\"source\":%s,\"faults\":%d,\"failing_seconds\":%d,\"schema_errors\":%d,\"per_minute\":%.1f,\"quiet_seconds\":%s,\"parts\":[%s]", \
        quoted(source), faults[series], row_seconds, schema, rate, newest[series] ? quiet : "null", parts)
    if (details) more()
    else print (faults[series] >= minimum || schema ? "1" (bare ? " bare" : "") : "0")
    print out "}"
}
# The share of the requests that failed since the first of the row did, or of all where that are few.
function percent_of(    at, total) {
    for (at in asked) if (at + 0 >= row_start) total += asked[at]
    if (row_faults && total >= ENVIRON["ERRORS_MINIMUM_REQUESTS"] + 0) return sprintf("%.1f", 100 * row_faults / total)
    return sprintf("%.1f", 100 * faults["requests"] / requests)
}

function more(    begin, start, fresh, n, key, onset, summary, list, list_routes, told, first_key) {
    begin = first[series]; start = series in after ? after[series] - started : -1
    fresh = ENVIRON["ERRORS_FRESH_SECONDS"] + 0
    onset = "for " ago(now - begin)
    if (begin - created <= fresh)
        onset = "since the deployment " ago(now - created) " ago (image made " ago(now - seconds_of(ENVIRON["IMAGE"])) " ago)"
    else if (started > begin) onset = onset ", through the restart " ago(now - started) " ago"
    else if (start <= fresh) onset = "since the start of the API " ago(now - started) " ago"
    else onset = onset "; the API was started " ago(now - started) " ago"
    for (n = 1; n <= 5 && (key = most(count)) != ""; n++) {
        split(key, piece, SUBSEP)
        told = count[key] " x " piece[3] (piece[4] == "" ? "" : " [SQLSTATE " piece[4] "]") (key in site ? " (" site[key] ")" : "")
        if (n == 1) { advice = hint[key]; told = told (advice == "" ? "" : ": " advice (helps[key] ? "" : "; no restart helps")) }
        summary = summary (n == 1 ? "" : "; ") told
        list = list (n == 1 ? "" : ",") sprintf("{\"kind\":%s,\"part\":%s,\"where\":%s,\"count\":%d,\"sqlstate\":%s,\"restart_may_help\":%s,\"example\":%s}", \
            quoted(piece[1]), quoted(piece[2]), quoted(site[key]), count[key], piece[4] == "" ? "null" : quoted(piece[4]), \
            helps[key] ? "true" : "false", quoted(piece[3]))
        delete count[key]
    }
    for (n = 1; n <= 5 && (key = most(routes)) != ""; n++) {
        if (list == "") summary = summary (n == 1 ? "" : "; ") routes[key] " x " key
        list_routes = list_routes (n == 1 ? "" : ",") "{\"route\":" quoted(key) ",\"count\":" routes[key] "}"
        delete routes[key]
    }
    summary = summary (summary == "" ? "" : " — ") (enough ? percent " % of " requests " requests failed, " : faults[series] " errors, " sprintf("%.1f a minute, ", rate)) onset
    gsub(/[\001-\037]/, " ", summary)
    print summary
    out = out sprintf(",\"onset\":%s,\"first_seconds\":%d,\"after_start_seconds\":%s,\"previous_image\":%s,\"advice\":%s,\"restart_may_help\":%s,\"kinds\":[%s],\"routes\":[%s]", \
        quoted(onset), now - begin, start < 0 ? "null" : start, \
        ENVIRON["PREVIOUS"] == "" ? "null" : quoted(ENVIRON["PREVIOUS"]), quoted(advice), \
        (list == "" || 2 * curable >= faults["errors"]) ? "true" : "false", list, list_routes)
}
