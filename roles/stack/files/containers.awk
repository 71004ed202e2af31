# Reads what docker ps tells of every container of an engine, a line each, and prints what all_containers of stack.sh
# says. A line that does not begin with the mark is part of somebody's label, and nobody's container.
# In: mark; STACK_DIR and STACK_PHYSICAL of the environment, the stack's directory with and without symbolic links
function ports(text, list, part, range, count, i) {
    count = split(text, part, /, /)
    for (i = 1; i <= count; i++)
        if (match(part[i], /:[0-9]+(-[0-9]+)?->.*tcp/)) {
            split(substr(part[i], RSTART + 1), range, /->|-/)
            if (part[i] !~ /:[0-9]+-[0-9]+->/) range[2] = range[1]
            for (; range[1] <= range[2] && index(list, "," range[1] ",") == 0; range[1]++)
                list = (list == "" ? "," : list) range[1] ","
        }
    return list
}
index($0, mark) != 1 || NF != 7 { next }
{ first = substr($1, length(mark) + 1) }
first == "False" && $2 == ENVIRON["STACK_DIR"] { given = given $3 " " $4 "\t" $5 "\t" ports($6) "\n"; next }
first == "False" && $2 == ENVIRON["STACK_PHYSICAL"] { physical = physical $3 " " $4 "\t" $5 "\t" ports($6) "\n"; next }
ports($6) != "" { split($3, word, " "); others = others $7 "\t" word[3] "\t" $2 "\t" $4 "\t" ports($6) "\n" }
END { printf "%s-- others\n%s", given == "" ? physical : given, others }
