# Apache Kafka, one broker and controller in KRaft mode, from Maven Central. An engine is the functions that postgres.sh names.
KAFKA=kafka-3.9.2

kafka_install() { install_packages kcat; install_maven $KAFKA; }

kafka_start() {
  local java=(java -XX:+UseSerialGC "-Dlog4j.configuration=file:$dir/log4j.properties" -cp "$(engine_home $KAFKA)/*") id
  [ -e "$dir/controller-port" ] || free_port > "$dir/controller-port"
  local controller=127.0.0.1:$(cat "$dir/controller-port")
  # One broker: internal topics cannot have three replicas, nor need 50 partitions. Topics are made by who knows how many partitions they want.
  cat > "$dir/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://$controller
advertised.listeners=PLAINTEXT://${KAFKA_ADVERTISED:-127.0.0.1:$port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=8388608
EOF
  cat > "$dir/log4j.properties" <<'EOF'
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n
EOF
  if [ ! -e "$dir/data/meta.properties" ]; then
    # An id that begins with '-' would be taken for an option.
    id=A$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 1-21)
    "${java[@]}" -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" >> "$dir/log" 2>&1 ||
      { tail -n 5 "$dir/log" >&2; die "kafka: its storage could not be formatted"; }
  fi
  spawn "$(id -un)" "${java[@]}" -Xms256m -Xmx256m kafka.Kafka "$dir/server.properties"
}

kafka_healthy() { kcat -b "127.0.0.1:$port" -L -m 2 | grep -q ' broker 1 at '; }
kafka_prepare() { :; }
kafka_env() { echo "KAFKA_URL=kafka://127.0.0.1:$port"; }
kafka_check() { kafka_healthy; }
