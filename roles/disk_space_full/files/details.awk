# Reads what fills crowded file systems and what may go, tab-separated, the kind of it first, and prints it as members
# of the JSON object of disk_usage of disk.sh. Names may hold whatever whoever gave them liked.
function add(key, item) { list[key] = list[key] (list[key] == "" ? "" : ", ") item }
function mib(bytes) { return sprintf("%.0f", bytes / 1048576) }
{ for (i = 2; i <= NF; i++) gsub(/["\\[:cntrl:]]/, "?", $i) }
$1 == "log" { add("large_logs", "{\"service\": \"" $3 "\", \"mib\": " mib($2) "}") }
$1 == "old_logs" { old_logs = $2; old_mib = mib($3) }
$1 == "journal" { journal_mib = mib($2) }
$1 == "cache" { caches++ }
$1 == "image" { images++ }
$1 == "container" { containers++ }
$1 == "deleted" { add("deleted_files", "{\"mib\": " mib($2) ", \"service\": \"" $3 "\", \"pid\": " $4 ", \"path\": \"" $5 "\"}") }
$1 == "backup" { backups++; backup_bytes += $2 }
$1 == "docker" { add("docker", "\"" $2 "\"") }
$1 == "largest" { add("largest", "\"" $2 "\"") }
$1 == "kept" { add("kept", "\"" $2 "\"") }
END {
    printf ", \"large_logs\": [%s], \"old_logs\": %d, \"old_logs_mib\": %d, \"journal_mib\": %d",
        list["large_logs"], old_logs, old_mib, journal_mib
    printf ", \"build_cache\": %d, \"unused_images\": %d, \"stopped_containers\": %d",
        caches, images, containers
    printf ", \"old_backups\": %d, \"old_backups_mib\": %d", backups, mib(backup_bytes)
    printf ", \"deleted_files\": [%s], \"docker\": [%s], \"largest\": [%s], \"kept\": [%s]",
        list["deleted_files"], list["docker"], list["largest"], list["kept"]
}
