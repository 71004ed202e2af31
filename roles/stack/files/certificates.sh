# shellcheck shell=sh
# Shell functions about certificates of what is asked by HTTPS, on top of stack.sh.

# Prints host and port of a URL: HOST:PORT. Usage: place_of URL
place_of() {
    place=${1#*://} port=80
    case $1 in https:*) port=443 ;; esac
    place=${place%%[/?#]*}
    place=${place##*@}
    case $place in *:[0-9]*) echo "$place" ;; *) echo "$place:$port" ;; esac
}

# Prints what openssl x509 reads of the certificate that is shown at a place under a name. Usage:
# certificate_at PLACE NAME OPTION…
certificate_at() {
    at=$1 name=$2
    shift 2
    timeout 2 openssl s_client -connect "$at" -servername "$name" </dev/null 2>/dev/null |
        openssl x509 -noout "$@" 2>/dev/null
}

# Sets certificate and days from the reason of a request that failed. Where only our own name for the
# host (localhost, an address) does not fit, or the web server itself led to an issuer that this host does
# not know and its users may, the page is asked all the same, and code is set. Usage: certificate_facts REASON
certificate_facts() {
    place=$(place_of "$origin")
    case $1 in
    *"has expired"*) certificate=expired ;;
    *"not yet valid"*) certificate=not_yet_valid ;;
    *"not for the name"*) certificate=wrong_name ;;
    *issuer*) certificate=unknown_issuer ;;
    *"is refused"*) certificate=refused ;;
    *) certificate=valid ;;
    esac
    certificate_end "$place"
    # Of two faults the request names the other one first.
    case $certificate,$until in
    unknown_issuer," on "*) certificate=expired reason="the certificate of ${place%:*} has expired" ;;
    esac
    case $certificate,$led_to,$place in
    wrong_name,*,localhost:* | wrong_name,*,*[0-9].*[0-9]:*) certificate=valid reason='' ;;
    unknown_issuer,[!,]*) ;;
    *) return ;;
    esac
    curl_options="$curl_options -k"
    answer=$(http 2 "$origin" 2>&1)
    code=${answer##*"$newline"}
    reason=$reason${answer%"$code"}
}

# Sets days and until from the certificate's last day. Usage: certificate_end PLACE
certificate_end() {
    if command -v openssl >/dev/null; then
        end=$(certificate_at "${led_to:-$1}" "${1%:*}" -enddate)
        end=${end#notAfter=}
    else
        # shellcheck disable=SC2086  # words
        end=$(curl -ksv --noproxy '*' $curl_options -m 2 -o /dev/null "$origin" 2>&1 |
            sed -n 's/^\* *expire date: *//p')
    fi
    [ -n "$end" ] && seconds=$(date -d "$end" +%s 2>/dev/null) || return 0
    left=$((seconds - $(date +%s)))
    days=$((left / 86400))
    if [ "$left" -lt 0 ]; then until=" on $end, $((-days)) days ago"; else until=", valid until $end ($days days)"; fi
}
