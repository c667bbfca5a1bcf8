#include <fmt/core.h>
#include <librdkafka/rdkafka.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <random>

#include "admission/message.hpp"
#include "ingress/kafka/client.hpp"

/// What librdkafka does by itself: the references of tests/bench/kafka.py, and the load. Each command prints one line
/// of figures; times are seconds of the machine's monotonic clock, so that other processes can compare theirs.
namespace pebbles {
namespace {

struct Settings {
  std::string brokers;
  std::string topic;
  std::string group = "bare";
  std::size_t count = 400'000;
  std::size_t files = 1'000;
  int partitions = 4;
  unsigned seed = 1;
  std::vector<std::string> set;  ///< further settings of librdkafka, NAME=VALUE
};

using kafka::Client;
using Topic = std::unique_ptr<rd_kafka_topic_t, kafka::Destroy<rd_kafka_topic_destroy>>;

/// Ends the program: figures of a run that failed are worth nothing.
[[noreturn]] void give_up(std::string_view what) {
  fmt::print(stderr, "kafka_bench: {}\n", what);
  std::exit(1);
}

void must(rd_kafka_resp_err_t error) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) give_up(rd_kafka_err2str(error));
}

void must(rd_kafka_error_t* error) {
  if (const kafka::ErrorHandle owned{error}) give_up(rd_kafka_error_string(owned.get()));
}

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void print(std::string_view name, std::size_t count, double began, double ended) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto cpu = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  fmt::print("BENCH name={} count={} began={:.6f} ended={:.6f} cpu={:.3f} rss_mib={}\n", name, count, began, ended,
             cpu(usage.ru_utime) + cpu(usage.ru_stime), usage.ru_maxrss / 1024);
}

using Options = std::initializer_list<std::pair<const char*, std::string>>;

Client make_client(rd_kafka_type_t type, const Settings& settings, Options options) {
  kafka::ClientConf conf{rd_kafka_conf_new()};
  std::array<char, 512> why{};
  const auto set = [&](const char* name, const std::string& value) {
    if (rd_kafka_conf_set(conf.get(), name, value.c_str(), why.data(), why.size()) != RD_KAFKA_CONF_OK)
      give_up(why.data());
  };
  set("bootstrap.servers", settings.brokers);
  for (const auto& [name, value] : options) set(name, value);
  for (const auto& one : settings.set) {
    const auto equals = std::min(one.find('='), one.size());
    set(one.substr(0, equals).c_str(), one.substr(std::min(equals + 1, one.size())));
  }
  Client client{rd_kafka_new(type, conf.get(), why.data(), why.size())};
  if (!client) give_up(why.data());
  static_cast<void>(conf.release());  // the client has taken it
  return client;
}

/// Puts messages of about 190 bytes on the topic, evenly over its partitions, in one transaction: for consumers of
/// committed messages the whole backlog appears at once, when the figures' time begins.
void produce(const Settings& settings) {
  const auto client = make_client(RD_KAFKA_PRODUCER, settings,
                                  {{"transactional.id", "bench-" + settings.topic},
                                   {"transaction.timeout.ms", "300000"},
                                   {"linger.ms", "20"},
                                   {"queue.buffering.max.messages", "200000"}});
  must(rd_kafka_init_transactions(client.get(), 30'000));
  must(rd_kafka_begin_transaction(client.get()));
  const Topic topic{rd_kafka_topic_new(client.get(), settings.topic.c_str(), nullptr)};
  std::minstd_rand random{settings.seed};
  for (std::size_t i = 0; i < settings.count; ++i) {
    // A file's updates share a partition, as with the key that the docs advise.
    const auto file = random() % settings.files;
    const auto partition = static_cast<int>(file) % settings.partitions;
    auto value = fmt::format(
        R"({{"clientKrn":"krn:acme:client:123","filename":"sales_data_{}.csv","email":"user@acme.com",)"
        R"("counts":{{"done":500,"warn":2,"failed":1}},"total":10000000,"isLast":false,"errors":[],"warnings":[]}})",
        file);
    while (rd_kafka_produce(topic.get(), partition, RD_KAFKA_MSG_F_COPY, value.data(), value.size(), nullptr, 0,
                            nullptr) != 0) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) must(rd_kafka_last_error());
      rd_kafka_poll(client.get(), 10);
    }
    rd_kafka_poll(client.get(), 0);
  }
  must(rd_kafka_flush(client.get(), 120'000));
  const auto began = now_s();
  must(rd_kafka_commit_transaction(client.get(), 60'000));
  print("produce", settings.count, began, now_s());
}

bool has_partitions(rd_kafka_t* client, int count) {
  rd_kafka_topic_partition_list_t* assigned = nullptr;
  must(rd_kafka_assignment(client, &assigned));
  const kafka::PartitionList owned{assigned};
  return owned->cnt == count;
}

/// Polls one by one, parses as the server does, and stores nothing, until `count` messages have come. Says READY when
/// it has its partitions.
void drain(const Settings& settings) {
  const auto rule = admission::ClientKrnRule::compile(admission::ClientKrnRule::default_pattern);
  const auto client = make_client(
      RD_KAFKA_CONSUMER, settings,
      {{"group.id", settings.group}, {"auto.offset.reset", "earliest"}, {"partition.assignment.strategy", "range"}});
  must(rd_kafka_poll_set_consumer(client.get()));
  const kafka::PartitionList wanted{rd_kafka_topic_partition_list_new(1)};
  rd_kafka_topic_partition_list_add(wanted.get(), settings.topic.c_str(), RD_KAFKA_PARTITION_UA);
  must(rd_kafka_subscribe(client.get(), wanted.get()));
  bool is_ready = false;
  std::size_t count = 0;
  std::int64_t done = 0;
  double began = 0;
  while (count < settings.count) {
    const kafka::MessageHandle message{rd_kafka_consumer_poll(client.get(), 100)};
    if (!is_ready && has_partitions(client.get(), settings.partitions)) {
      is_ready = true;
      fmt::print("READY\n");
      std::fflush(stdout);
    }
    if (!message) continue;
    must(message->err);
    if (count++ == 0) began = now_s();
    const auto parsed = admission::parse_message({static_cast<const char*>(message->payload), message->len}, {}, *rule);
    const auto* const read = std::get_if<admission::Message>(&parsed);
    if (read == nullptr) give_up("a message was not read");
    done += read->what.counts.done;
  }
  if (done != static_cast<std::int64_t>(settings.count) * 500) give_up("the sum is wrong");
  print("drain", count, began, now_s());
  must(rd_kafka_consumer_close(client.get()));
}

int serve(int count, char** arguments) {
  CLI::App app{"Benchmarks of Kafka without Pebbles, and the load of those with it"};
  app.require_subcommand(1);
  Settings settings;
  const auto add = [&](const char* name, const char* says, void (*command)(const Settings&)) {
    auto* const sub = app.add_subcommand(name, says);
    sub->add_option("--brokers", settings.brokers, "HOST:PORT")->required();
    sub->add_option("--topic", settings.topic)->required();
    sub->add_option("--group", settings.group);
    sub->add_option("--count", settings.count);
    sub->add_option("--files", settings.files);
    sub->add_option("--partitions", settings.partitions);
    sub->add_option("--seed", settings.seed);
    sub->add_option("--set", settings.set, "NAME=VALUE of librdkafka");
    sub->callback([&settings, command] { command(settings); });
  };
  add("produce", "a backlog of updates, in one transaction", produce);
  add("drain", "a bare loop that reads and parses", drain);
  CLI11_PARSE(app, count, arguments);
  return 0;
}

}  // namespace
}  // namespace pebbles

int main(int count, char** arguments) { return pebbles::serve(count, arguments); }
