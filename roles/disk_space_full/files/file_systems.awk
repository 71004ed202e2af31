# Reads what stat says of file systems, a line for each path, and prints each of them once, as figures of disk.sh says.
# In, from the environment: DISK_LIMIT, DISK_WAL_MIB, DISK_INODES
function percent(used, all,   share) {
    share = all > 0 ? 100 * used / all : 100
    return share > int(share) ? int(share) + 1 : share
}
# Once each; and a medium that cannot be written to is always full.
$4 + 0 <= 0 || seen[$1]++ || $2 ~ /^(73717368|9660|15013346|e0f5e1e2|28cd3d45|9fa0|62656572)$/ { next }
{
    mib = $3 / 1048576
    bytes = percent($4 - $5, $4 - $5 + $6)
    inodes = $7 ? percent($7 - $8, $7) : 0
    out = bytes >= ENVIRON["DISK_LIMIT"] && $6 * mib < ENVIRON["DISK_WAL_MIB"] ||
        inodes >= ENVIRON["DISK_LIMIT"] && $8 < ENVIRON["DISK_INODES"]
    path = $9
    for (i = 10; i <= NF; i++) path = path " " $i
    printf "%d\t%d\t%d\t%.0f\t%d\t%d\t%d\t%s\n",
        bytes, inodes, $6 * mib, $8, ($5 - $6) * mib, $5 * mib, out, path
}
