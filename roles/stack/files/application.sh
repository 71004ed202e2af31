# Shell words about how the application sees its database, cache and chain, on top of stack.sh.
#
# In: STACK_BACKEND, STACK_BACKEND_URL; STACK_READ_PATH, STACK_READ_BODY, STACK_READ_PROVES: a route that
#     the inventory names; APPLICATION_JS, the text of application.js

# Prints how the application sees what it depends on, as one JSON object: way ("driver", "client" or
# "none"), and database, cache and chain, each null where none is configured, else with outcome, reason, where
# and ms; see application.js. It is asked in the API's own container, by a process of its own. route is
# the like of the route that the inventory names, else null. Exit status 69 where nothing can be asked.
application_view() {
    id=$(container "$STACK_BACKEND") || unknown "the API has no container to ask in"
    # Hooks of the application's own (NODE_OPTIONS) would report us as its traffic.
    answers=$({
        route_view &
        printf '%s\n' "$APPLICATION_JS" | docker exec -i -e NODE_OPTIONS= "$id" node -
        wait
    } 2>&1)
    view=$(printf '%s\n' "$answers" | grep '^{"way":')
    route=$(printf '%s\n' "$answers" | sed -n 's/^route //p')
    [ -n "$view" ] || unknown "$(printf '%s\n' "$answers" | grep -v '^route ' | without_secrets "$id" | grep . | tail -n 1)"
    printf '%s,"route":%s}\n' "${view%\}}" "${route:-null}"
}

# Whether the API answers, and its application can use its database.
application_works() {
    [ "$(http 2 "$STACK_BACKEND_URL/health" 2>/dev/null)" = 200 ] || return
    case $(application_view) in '{"way":'*'"database":{"outcome":"works"'*) ;; *) return 1 ;; esac
}

# Prints "route" and what the named route tells of the database: a status that is declared, or else success,
# proves that it works; 5xx, or no answer, that it does not; any other says nothing about it.
route_view() {
    [ -n "$STACK_READ_PATH" ] || return 0
    read -r start _ </proc/uptime
    code=$(http 4 "$STACK_BACKEND_URL$STACK_READ_PATH" ${STACK_READ_BODY:+"$STACK_READ_BODY"} 2>/dev/null)
    read -r end _ </proc/uptime
    ms=$(echo "$start $end" | awk '{ printf "%d", ($2 - $1) * 1000 }')
    outcome=unknown reason="$STACK_READ_PATH answered $code"
    case $code in
    000)
        outcome=refused reason="$STACK_READ_PATH did not answer"
        [ "$ms" -lt 3900 ] || outcome=timed_out
        ;;
    5??) outcome=error ;;
    2??) [ -n "$STACK_READ_PROVES" ] || outcome=works ;;
    esac
    case " $(printf '%s' "$STACK_READ_PROVES" | tr -cs 0-9 ' ') " in *" $code "*) outcome=works ;; esac
    [ "$outcome" != unknown ] || reason="$reason, which proves nothing about the database"
    printf 'route {"outcome":"%s","reason":"%s","status":%d,"ms":%d}\n' "$outcome" "$(json_text "$reason")" "$code" "$ms"
}
