#!/bin/sh
# Make the SDK work where it now is, or where it will be: relocate-sdk.sh [PATH].
if [ $# -gt 1 ]; then
	echo "Usage: $0 [path]"
	exit 1
fi
cd "$(dirname "$(readlink -f "$0")")" || exit 1
new=${1:-$PWD}
facts=share/buildroot
if [ ! -r $facts/sdk-location ]; then
	echo "Previous location of the buildroot SDK not found!"
	exit 1
fi
old=$(cat $facts/sdk-location)
if [ "$new" = "$old" ]; then
	echo "This buildroot SDK has already been relocated!"
	exit 0
fi
echo "Relocating the buildroot SDK from $old to $new ..."
while read -r file; do
	sed -i "s|$old|$new|g" "$file"
done < $facts/sdk-relocs
echo "$new" > $facts/sdk-location
