# shellcheck shell=sh
# A shell function about how old the newest backup is, on top of backups.sh.

# Says what is wrong with the age of the newest backup; nothing where it is young enough, or where nobody
# asks. Usage: overdue_backup HOURS
overdue_backup() {
    [ "$1" -gt 0 ] || return 0
    [ ! -d "$STACK_BACKUP_DIR" ] || [ -r "$STACK_BACKUP_DIR" ] || as_root test -r "$STACK_BACKUP_DIR" ||
        unknown "$STACK_BACKUP_DIR cannot be read"
    newest=$(routine_backups | head -n 1)
    if [ -z "$newest" ]; then
        echo "there is no backup in $STACK_BACKUP_DIR"
        return
    fi
    age=$(($(date +%s) - ${newest%%"	"*}))
    [ "$age" -le "$(($1 * 3600))" ] || echo "the newest backup, ${newest##*/}, is $(span "$age") old"
}
