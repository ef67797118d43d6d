#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: manual pages format without a warning, and nf_flowpar(4) names every attribute, operation, counter, limit and parameter that the module has
# Suite: unit
# shellcheck disable=SC2317	# called by check
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

command -v mandoc > /dev/null || { not_ok "mandoc is installed"; finish; }
for page in "$repo"/docs/man/*.[1-9]; do
	name=${page##*/}
	same "$name: mandoc has no warning" '' "$(mandoc -T lint -W warning "$page" 2>&1)"
	same "$name: nor has man" '' "$(MANWIDTH=80 man --warnings -l -Tutf8 -Z "$page" 2>&1 > /dev/null)"
	same "$name: it is of the section that it is named for" "${name##*.}" "$(sed -nE 's/^\.(Dt|TH) "?[^ "]+"? "?([0-9]).*/\2/p' "$page")"
done

page=$repo/docs/man/nf_flowpar.4
has() { grep -qE "(^|[ .(])$1([ ,.)=]|$)" <<< "$rendered"; }
# listed KIND NAME: as an entry of a list, or, an attribute, as a literal
listed() {
	case $1 in
	attribute) grep -qE "^\.Cm $2( |$)" "$page" ;;
	family | group) grep -qE "^\.Sq $2( |$)" "$page" ;;
	*) grep -qE "^\.It Cm (.* , )?$2( |$)" "$page" ;;
	esac
}
rendered=$(mandoc -T ascii "$page" | col -bx)
while read -r kind name; do
	check "nf_flowpar.4 has $kind $name" listed "$kind" "$name"
done < <(python3 - "$repo/netfilter/flowpar.yaml" <<-'END'
	import sys, yaml
	spec = yaml.safe_load(open(sys.argv[1]))
	sets = {s['name']: s for s in spec['attribute-sets']}
	for a in sets['service']['attributes']:
	    print('attribute', a['name'])
	for a in sets['stats']['attributes']:
	    if a['name'] not in ('service', 'cpu'):
	        print('counter', a['name'])
	for o in spec['operations']['list']:
	    print('operation', o['name'])
	for g in spec['mcast-groups']['list']:
	    print('group', g['name'])
	print('family', spec['name'])
	END
)
while read -r parameter; do
	check "nf_flowpar.4 has parameter $parameter" listed parameter "$parameter"
done < <(sed -nE 's/^module_param(_named)?\(([a-z_]+),.*/\2/p' "$repo"/netfilter/*.c)
check "nf_flowpar.4 has the default of search_budget" \
	has "$(sed -n 's/^unsigned int flowpar_search_budget .* = \([0-9]*\);/\1/p' "$repo/netfilter/nf_flowpar_lookup.c")"
check "nf_flowpar.4 has how many services fit" has "$(sed -n 's/^#define FLOWPAR_MAX_SERVICES[[:space:]]*//p' "$repo/netfilter/nf_flowpar.h")"
finish
