#include "ingress/kafka/replay.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "ingress/kafka/dead_letter_headers.hpp"

namespace pebbles::kafka {
namespace {

constexpr int answer_wait_ms = 15'000;
constexpr int poll_wait_ms = 500;
constexpr int silence_max = 60;  ///< polls without anything, before the broker is given up
constexpr int flush_wait_ms = 60'000;

std::unexpected<Error> unavailable(std::string_view what, rd_kafka_resp_err_t error) {
  return failure(Errc::store_unavailable, fmt::format("{}: {}", what, rd_kafka_err2str(error)));
}

/// Errors: invalid_argument when there is no such topic, store_unavailable.
Result<std::int32_t> count_partitions(rd_kafka_t* client, const std::string& topic) {
  const std::unique_ptr<rd_kafka_topic_t, Destroy<rd_kafka_topic_destroy>> handle{
      rd_kafka_topic_new(client, topic.c_str(), nullptr)};
  const rd_kafka_metadata_t* found = nullptr;
  if (const auto error = rd_kafka_metadata(client, 0, handle.get(), &found, answer_wait_ms);
      error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return unavailable("asking the broker", error);
  const std::unique_ptr<const rd_kafka_metadata_t, Destroy<rd_kafka_metadata_destroy>> metadata{found};
  const auto& described = metadata->topics[0];
  if (described.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
    return failure(Errc::invalid_argument, fmt::format("there is no topic {}", topic));
  if (described.err != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable("asking the broker", described.err);
  return described.partition_cnt;
}

/// Reads a topic from its beginning to where it ends at the start: what a replay itself adds is not read.
class TopicReader {
 public:
  static Result<TopicReader> open(const ReplayOptions& options) {
    auto kafka = options.kafka;
    kafka.group = "pebbles-dlq-replay";  // asked for, though nothing is joined or committed
    kafka.offset_reset = "earliest";
    PEBBLES_TRY(conf, consumer_conf(kafka));
    PEBBLES_TRY(client, make_client(RD_KAFKA_CONSUMER, std::move(conf)));
    TopicReader out{std::move(client)};
    PEBBLES_TRY_VOID(out.assign(kafka.dead_letter_topic));
    return out;
  }

  /// The next message; null at the end.
  Result<MessageHandle> next() {
    for (int silence = 0; !open_.empty() && silence < silence_max;) {
      MessageHandle message{rd_kafka_consumer_poll(client_.get(), poll_wait_ms)};
      if (!message) {
        ++silence;
        continue;
      }
      silence = 0;
      const bool at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
      if (!at_end && message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return unavailable("reading the dead-letter topic", message->err);
      if (!at_end && message->offset < ends_.at(message->partition)) return message;
      open_.erase(message->partition);
    }
    if (!open_.empty()) return failure(Errc::store_unavailable, "the broker does not answer");
    return nullptr;
  }

 private:
  explicit TopicReader(Client client) : client_{std::move(client)} {}

  Result<void> assign(const std::string& topic) {
    PEBBLES_TRY(partitions, count_partitions(client_.get(), topic));
    const PartitionList wanted{rd_kafka_topic_partition_list_new(partitions)};
    for (std::int32_t partition = 0; partition < partitions; ++partition) {
      std::int64_t begin = 0, end = 0;
      if (const auto error =
              rd_kafka_query_watermark_offsets(client_.get(), topic.c_str(), partition, &begin, &end, answer_wait_ms);
          error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return unavailable("asking for a partition's end", error);
      ends_[partition] = end;
      if (begin == end) continue;
      open_.insert(partition);
      rd_kafka_topic_partition_list_add(wanted.get(), topic.c_str(), partition)->offset = begin;
    }
    if (const auto error = rd_kafka_assign(client_.get(), wanted.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return unavailable("reading the dead-letter topic", error);
    return {};
  }

  Client client_;
  std::map<std::int32_t, std::int64_t> ends_;
  std::set<std::int32_t> open_;  ///< partitions whose end was not reached
};

/// Sends and counts what was acknowledged.
class Sender {
 public:
  static Result<std::unique_ptr<Sender>> open(const ReplayOptions& options) {
    auto out = std::make_unique<Sender>();
    PEBBLES_TRY(conf, producer_conf(options.kafka));
    rd_kafka_conf_set_dr_msg_cb(conf.get(), on_delivery);
    rd_kafka_conf_set_opaque(conf.get(), out.get());
    PEBBLES_TRY(client, make_client(RD_KAFKA_PRODUCER, std::move(conf)));
    out->client_ = std::move(client);
    return out;
  }

  Result<void> send(const rd_kafka_message_t& original, const Refusal& refusal, const HeaderList& headers) {
    const auto& to = refusal.position;
    auto known = partitions_.find(to.topic);
    if (known == partitions_.end()) {
      PEBBLES_TRY(count, count_partitions(client_.get(), to.topic));
      known = partitions_.emplace(to.topic, count).first;
    }
    // A topic that was made anew with fewer partitions has it by its key.
    const auto partition = to.partition < known->second ? to.partition : RD_KAFKA_PARTITION_UA;
    auto error = produce(original, to.topic, partition, headers);
    for (int silence = 0; error == RD_KAFKA_RESP_ERR__QUEUE_FULL && silence < silence_max; ++silence) {
      if (rd_kafka_poll(client_.get(), poll_wait_ms) > 0) silence = 0;
      error = produce(original, to.topic, partition, headers);
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable("sending", error);
    rd_kafka_poll(client_.get(), 0);
    return {};
  }

  /// Waits for what was sent; how much the brokers have.
  Result<std::int64_t> finish() {
    if (const auto error = rd_kafka_flush(client_.get(), flush_wait_ms); error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return unavailable("sending", error);
    if (failed_ != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable("sending", failed_);
    return sent_;
  }

 private:
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
    auto& sender = *static_cast<Sender*>(self);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
      ++sender.sent_;
    else
      sender.failed_ = message->err;
  }

  rd_kafka_resp_err_t produce(const rd_kafka_message_t& original, const std::string& topic, std::int32_t partition,
                              const HeaderList& headers) {
    auto owned = make_headers(headers);
    const auto error = rd_kafka_producev(
        client_.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(original.key, original.key_len),
        RD_KAFKA_V_VALUE(original.payload, original.len), RD_KAFKA_V_HEADERS(owned.get()), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
    [[maybe_unused]] const auto* const taken = owned.release();  // the message has taken them
    return error;
  }

  std::map<std::string, std::int32_t, std::less<>> partitions_;  ///< how many each topic has
  std::int64_t sent_ = 0;
  rd_kafka_resp_err_t failed_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  Client client_;  // the last member: while it ends it may still report deliveries
};

bool is_chosen(const ReplayOptions& options, const Refusal& refusal) {
  return (!options.from || refusal.time >= *options.from) && (!options.to || refusal.time < *options.to) &&
         (options.reasons.empty() || std::ranges::find(options.reasons, refusal.reason) != options.reasons.end());
}

}  // namespace

Result<ReplayReport> replay(const ReplayOptions& options) {
  PEBBLES_TRY(reader, TopicReader::open(options));
  std::unique_ptr<Sender> sender;
  if (!options.dry_run) {
    PEBBLES_TRY(opened, Sender::open(options));
    sender = std::move(opened);
  }
  ReplayReport report;
  for (;;) {
    PEBBLES_TRY(message, reader.next());
    if (!message) break;
    const auto headers = headers_of(*message);
    const auto refusal = find_refusal(headers);
    if (!refusal) {
      ++report.foreign;
    } else if (is_chosen(options, *refusal)) {
      ++report.by_reason[refusal->reason];
      if (refusal->value_omitted)
        ++report.without_value;
      else if (sender)
        PEBBLES_TRY_VOID(sender->send(*message, *refusal, headers_for_replay(headers, *refusal)));
    }
  }
  if (sender) {
    PEBBLES_TRY(sent, sender->finish());
    report.sent = sent;
  }
  return report;
}

}  // namespace pebbles::kafka
