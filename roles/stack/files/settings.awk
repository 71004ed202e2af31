# Reads an environment, NAME=VALUE a line, and prints what database_settings of application.sh says.
function decoded(text,    shown) {
    while (match(text, /%[0-9A-Fa-f][0-9A-Fa-f]/)) {
        shown = shown substr(text, 1, RSTART - 1) sprintf("%c", \
            (index("0123456789abcdef", tolower(substr(text, RSTART + 1, 1))) - 1) * 16 + \
            index("0123456789abcdef", tolower(substr(text, RSTART + 2, 1))) - 1)
        text = substr(text, RSTART + RLENGTH)
    }
    return shown text
}
function first(names,    name, n, i) {
    n = split(names, name, " ")
    for (i = 1; i <= n; i++) if (value[name[i]] != "") return value[name[i]]
    return ""
}
# Without a scheme it may be one of libpq's.
function of_postgres(url) { return url ~ /^(postgres(ql)?|pg(sql)?)(\+[a-z0-9]+)?:/ || url !~ /^[A-Za-z][A-Za-z0-9+.-]*:/ }
{ at = index($0, "="); if (at) value[substr($0, 1, at - 1)] = substr($0, at + 1) }
END {
    urls = split("DATABASE_URL POSTGRES_URL DB_URL PG_URL DATABASE_URI POSTGRES_URI", named, " ")
    for (u = 1; u <= urls; u++) {
        if (value[named[u]] == "") continue
        if (of_postgres(value[named[u]])) { url = value[named[u]]; another = 0; break }
        another = 1
    }
    kind = tolower(first("DB_CONNECTION DB_DIALECT DB_TYPE DB_CLIENT DB_ENGINE DATABASE_TYPE DATABASE_CLIENT"))
    if (url == "" && (another || (kind != "" && kind !~ /postgres|^pg/) \
        || first("DB_PORT DATABASE_PORT") ~ /^(1433|1521|3306|27017)$/)) exit
    if (url ~ /^[a-z+]*:\/\//) {
        sub(/^[^:]*:\/\//, "", url); sub(/\?.*/, "", url)
        if (match(url, /.*@/)) {
            user = substr(url, 1, RLENGTH - 1); url = substr(url, RLENGTH + 1)
            at = index(user, ":")
            if (at) { password = decoded(substr(user, at + 1)); user = substr(user, 1, at - 1) }
        }
        at = index(url, "/")
        if (at) { name = decoded(substr(url, at + 1)); url = substr(url, 1, at - 1) }
        host = url; port = url
        if (!sub(/.*:/, "", port)) port = ""
        sub(/:[0-9]*$/, "", host); user = decoded(user)
    } else {
        host = first("DB_HOST DATABASE_HOST POSTGRES_HOST PGHOST")
        port = first("DB_PORT DATABASE_PORT POSTGRES_PORT PGPORT")
        name = first("DB_NAME DB_DATABASE DATABASE_NAME POSTGRES_DB PGDATABASE")
        user = first("DB_USER DB_USERNAME DATABASE_USER POSTGRES_USER PGUSER")
        password = first("DB_PASSWORD DB_PASS DATABASE_PASSWORD POSTGRES_PASSWORD PGPASSWORD")
    }
    if (host == "") exit
    printf "PGHOST=%s\nPGPORT=%s\nPGUSER=%s\nPGPASSWORD=%s\nPGDATABASE=%s\n", host, port == "" ? 5432 : port, user, password, name
}
