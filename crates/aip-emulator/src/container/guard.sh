# Runs a container and, beside it, a reader of stdin: when that ends because
# the emulator did, however it did, so does the whole group.
#
# $1: where the container says who it is (4); $2: what it is told (5)
exec 3<&0 4>"$1" 5<"$2"
shift 2
"$@" </dev/null 3<&- &
job=$!
exec 4>&- 5<&-
{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 &
wait $job
