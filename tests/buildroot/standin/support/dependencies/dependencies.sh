#!/bin/sh
# Is this machine one that Buildroot builds on? What it refuses is refused in its words; of programs only those that the
# stand-in itself runs are asked for, and those that $STANDIN_PROGRAMS lists.
LC_ALL=C
export LC_ALL

refuse() {
	echo
	printf '%s\n' "$@"
	exit 1
}

for name in LD_LIBRARY_PATH PATH; do
	eval "value=\${$name:-unset}"
	case :$value: in
	*::* | *:.:*)
		refuse 'You seem to have the current working directory in your' "$name environment variable. This doesn't work.";;
	esac
done
case $PATH in
*[[:space:]]*)
	refuse 'Your PATH contains spaces, TABs, and/or newline (\n) characters.' \
		"This doesn't work. Fix your PATH environment variable.";;
esac

missing=
for program in sed tar find xargs awk $DL_TOOLS $STANDIN_PROGRAMS; do
	command -v "$program" > /dev/null && continue
	missing=y
	echo "You must install '$program' on your build machine"
	case $program in
	find | xargs) echo "  $program is usually part of the findutils package in your distribution";;
	esac
done
[ -z "$missing" ] || exit 1

if grep -q ^BR2_NEEDS_HOST_UTF8_LOCALE=y "$BR2_CONFIG"; then
	what='to build a toolchain supporting locales'
	command -v locale > /dev/null || refuse "You need locale support on your build machine $what"
	locale -a | grep -qiE 'utf-?8$' || refuse "You need at least one UTF8 locale $what"
fi
