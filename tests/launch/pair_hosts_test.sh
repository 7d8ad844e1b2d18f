#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sluice doctor --pair between two network namespaces as two hosts, on a link of 200 Mbit/s.
# Usage: pair_hosts_test.sh PAIR_RANK_PROGRAM. Ends with 77 where namespaces cannot be made.
set -euo pipefail
program=$1
a=sluice-pair-a-$$ b=sluice-pair-b-$$
work=$(mktemp -d)
clean() {
  ip netns del "$a" 2> /dev/null || :
  ip netns del "$b" 2> /dev/null || :
  rm -rf "$work"
}
trap clean EXIT

skip() { printf 'skipped: %s\n' "$1"; exit 77; }
((EUID == 0)) || skip "only root makes network namespaces"
command -v ip > /dev/null && command -v tc > /dev/null || skip "there is no ip or tc (iproute2)"
{ ip netns add "$a" && ip netns add "$b"; } 2> /dev/null ||
  skip "this kernel or container forbids namespaces"
ip link add name eth0 netns "$a" type veth peer name eth0 netns "$b" || skip "no veth"
number=1
for host in "$a" "$b"; do
  ip -n "$host" addr add "10.78.0.$number/24" dev eth0
  ip -n "$host" link set lo up
  ip -n "$host" link set eth0 up
  tc -n "$host" qdisc add dev eth0 root tbf rate 200mbit burst 256kb latency 50ms || skip "no tbf"
  number=$((number + 1))
done
# The kernel calls a new device running a little later; UCX uses no other.
for host in "$a" "$b"; do
  for _ in {1..100}; do
    [[ $(ip netns exec "$host" cat /sys/class/net/eth0/operstate) == up ]] && break
    sleep 0.05
  done
done

# mpirun's way to another host: HOST COMMAND...
cat > "$work/agent" <<'AGENT'
#!/bin/sh
host=$1
shift
exec ip netns exec "$host" sh -c "$*"
AGENT
chmod +x "$work/agent"
export OMPI_MCA_plm_rsh_agent=$work/agent OMPI_MCA_oob_tcp_if_include=eth0
export OMPI_MCA_btl_tcp_if_include=eth0 OMPI_MCA_routed=direct
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,tcp UCX_LOG_FILE=stderr
# Hosts share no memory; these namespaces do.
export UCX_TLS=tcp,self
status=0
ip netns exec "$a" "$program" --start "$a" "$b" > "$work/out" 2> "$work/error" || status=$?
cat "$work/out" "$work/error"
[[ $status == 0 ]]
grep -q "A $a -> B $b" "$work/out"
grep -q "TCP (tcp/eth0)" "$work/out"
[[ $(grep -cE 'put, 1 MiB +(1[0-9]|2[0-2])[0-9] Mbit/s' "$work/out") == 2 ]]
grep -q "can serve together, over TCP" "$work/out"

# A host that the agent cannot reach: one sentence.
status=0
ip netns exec "$a" "$program" --start "$a" "$b-gone" > "$work/out" 2> "$work/error" || status=$?
cat "$work/out" "$work/error"
[[ $status == 1 && ! -s $work/out && $(wc -l < "$work/error") == 1 ]]
