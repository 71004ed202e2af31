# Reads what du says of directories, KIB <tab> PATH, each after those in it, and prints of the layers of containers
# above DISK_LOG_MIB which is whose, and where in it most lies. In: LAYERS of the environment, /NAME <tab> PATH a line
BEGIN {
    lines = split(ENVIRON["LAYERS"], line, "\n")
    for (l = 1; l <= lines; l++) { split(line[l], field, "\t"); name[field[2]] = substr(field[1], 2) }
}
{
    kib[$2] = $1 + 0
    parent = $2; sub(/\/[^\/]*$/, "", parent)
    if (parent != $2 && $1 > most[parent]) { most[parent] = $1; child[parent] = $2 }
}
END {
    for (layer in name) {
        if (layer == "" || kib[layer] < ENVIRON["DISK_LOG_MIB"] * 1024) continue
        for (path = layer; path in child && most[path] >= 0.8 * kib[layer]; path = child[path]);
        printf "%d MiB were written by container %s into its own layer, most of it below %s: rotate it, or give it a volume; to recreate the container removes it\n",
            kib[layer] / 1024, name[layer], path == layer ? "/" : substr(path, length(layer) + 1)
    }
}
