# Reads the image of a container and its environment, a line each, and prints in what a service that compose makes
# would differ, without values. In: service, with a colon; CONFIGURATION of the environment, what compose config prints
NR == 1 { image = $0; next }
/^[A-Za-z_][A-Za-z0-9_]*=/ { key = $0; sub(/=.*/, "", key); has[key] = substr($0, length(key) + 2) }
END {
    lines = split(ENVIRON["CONFIGURATION"], line, "\n")
    for (l = 1; l <= lines; l++) {
        text = line[l]
        if (text ~ /^[^ ]/) section = text
        if (text ~ /^  [^ ]/) { name = text; sub(/^ +/, "", name) }
        if (section != "services:" || name != service) continue
        if (text ~ /^    [^ ]/) key = text
        if (text ~ /^    image: / && substr(text, 12) != image) print "image " substr(text, 12) " instead of " image
        if (key != "    environment:" || text !~ /^      [A-Za-z_][A-Za-z0-9_]*: /) continue
        entry = substr(text, 7); value = entry
        sub(/:.*/, "", entry); sub(/^[^:]*: /, "", value)
        # One in quotes or over several lines is compared by nobody but compose.
        if (!(entry in has)) print "variable " entry
        else if (value !~ /^["\047|>]/ && value != has[entry]) print "another value of " entry
    }
}
