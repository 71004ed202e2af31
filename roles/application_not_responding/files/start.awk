# Reads what start_facts prints (path.sh): "now", "begun", "start" and "ready", each with a time, and "worked". Prints
# of a start that has not come to listening yet how far it is, and a sentence: "starting" within the time that
# the last starts took, doubled and five seconds more (20 s when none is known), else "waiting". Where the limit of
# its processor time was met in half of the periods, the time counts that it could work, ten minutes at most. Nothing
# for one that listened, or began more than an hour ago: its log may have lost the line; nor where it is unread.

function seconds(time, y, m, d) {
    y = substr(time, 1, 4); m = substr(time, 6, 2) + 0; d = substr(time, 9, 2)
    if (m < 3) { y--; m += 12 }
    return ((365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * m - 457) / 5) + d) * 24 \
        + substr(time, 12, 2)) * 3600 + substr(time, 15, 2) * 60 + substr(time, 18, 2)
}
$1 == "now" { now = seconds($2) }
$1 == "begun" { begun = seconds($2) }
$1 == "start" { start[++starts] = seconds($2) }
$1 == "worked" && $4 > 0 && 2 * $3 >= $4 { held = 1; worked = $2 / 1000 }
$1 == "unread" { unread = 1 }
$1 == "ready" { ready[++readies] = seconds($2) }
END {
    if (unread) exit
    for (j = 1; j <= readies; j++) {
        if (ready[j] >= begun) exit
        for (i = starts; i > 0 && start[i] > ready[j]; i--) ;
        if (i > 0 && !taken[i]++ && ready[j] - start[i] > longest) longest = ready[j] - start[i]
        known = known || i > 0
    }
    age = now - begun
    if (age > 3600) exit
    limit = known ? 2 * longest + 5 : 20
    took = known ? ", where its last starts took up to " (longest + 0) " s" : ""
    if (held) took = took ", and the limit of its processor time let it work for " sprintf("%.1f", worked) " s since"
    print (age <= limit || (held && worked <= limit && age <= 600) ? "starting" : "waiting") " started " age " s ago and does not listen yet" took
}
