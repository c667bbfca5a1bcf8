#include "ingress/kafka/consumer.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "telemetry/telemetry.hpp"

namespace pebbles::kafka {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

int to_int(milliseconds patience) { return static_cast<int>(patience.count()); }

PartitionList list_of(std::span<const Offset> offsets) {
  PartitionList out{rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size()))};
  for (const auto& [where, offset] : offsets)
    rd_kafka_topic_partition_list_add(out.get(), where.topic.c_str(), where.partition)->offset = offset;
  return out;
}

std::span<const rd_kafka_topic_partition_t> elements_of(const rd_kafka_topic_partition_list_t& list) {
  return {list.elems, static_cast<std::size_t>(list.cnt)};
}

std::unexpected<Error> unavailable(rd_kafka_resp_err_t error) {
  return failure(Errc::store_unavailable, rd_kafka_err2str(error));
}

}  // namespace

Result<std::unique_ptr<Consumer>> Consumer::open(const KafkaOptions& options, Events events) {
  PEBBLES_TRY(conf, consumer_conf(options));
  std::unique_ptr<Consumer> out{new Consumer{std::move(events)}};
  rd_kafka_conf_set_opaque(conf.get(), out.get());
  rd_kafka_conf_set_rebalance_cb(
      conf.get(), [](rd_kafka_t*, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions, void* self) {
        static_cast<Consumer*>(self)->rebalance(what, partitions);
      });
  rd_kafka_conf_set_log_cb(conf.get(), [](const rd_kafka_t* client, int level, const char* facility, const char* text) {
    auto* const consumer = static_cast<Consumer*>(rd_kafka_opaque(client));
    if (std::string_view{facility} == "OFFSET") consumer->was_reset_ = true;
    log_of_library(level, facility, text);
  });
  rd_kafka_conf_set_error_cb(conf.get(), [](rd_kafka_t*, int error, const char* text, void* self) {
    const auto& consumer = *static_cast<Consumer*>(self);
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) consumer.events_.away(text);
  });
  rd_kafka_conf_set_offset_commit_cb(
      conf.get(), [](rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions, void* self) {
        auto& consumer = *static_cast<Consumer*>(self);
        consumer.commits_ = false;
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR || partitions == nullptr) return;
        std::vector<Offset> done;
        for (const auto& each : elements_of(*partitions))
          if (each.err == RD_KAFKA_RESP_ERR_NO_ERROR && each.offset >= 0)
            done.push_back({.where = {.topic = each.topic, .partition = each.partition}, .offset = each.offset});
        consumer.events_.committed(done);
      });
  PEBBLES_TRY(client, make_client(RD_KAFKA_CONSUMER, std::move(conf)));
  out->handle_ = client.release();  // whose end is not that of every client
  rd_kafka_poll_set_consumer(out->handle_);
  out->queue_.reset(rd_kafka_queue_get_consumer(out->handle_));
  return out;
}

Consumer::~Consumer() {
  queue_.reset();
  if (handle_ != nullptr) rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

std::optional<std::string> Consumer::cluster_id(milliseconds patience) {
  char* const id = rd_kafka_clusterid(handle_, to_int(patience));
  if (id == nullptr) return std::nullopt;
  std::string out{id};
  rd_kafka_mem_free(handle_, id);
  return out;
}

bool Consumer::is_answered(milliseconds patience) {
  const rd_kafka_metadata_t* found = nullptr;
  if (rd_kafka_metadata(handle_, 0, nullptr, &found, to_int(patience)) != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
  rd_kafka_metadata_destroy(found);
  return true;
}

Result<void> Consumer::subscribe(const std::string& topic) {
  const PartitionList topics{rd_kafka_topic_partition_list_new(1)};
  rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto error = rd_kafka_subscribe(handle_, topics.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return unavailable(error);
  return {};
}

MessageHandle Consumer::poll(milliseconds patience) {
  return MessageHandle{rd_kafka_consumer_poll(handle_, to_int(patience))};
}

void Consumer::rebalance(rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions) {
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    std::vector<TopicPartition> out;
    for (const auto& each : elements_of(*partitions)) out.push_back({.topic = each.topic, .partition = each.partition});
    events_.assigned(out);
    rd_kafka_assign(handle_, partitions);
    return;
  }
  events_.revoked(rd_kafka_assignment_lost(handle_) != 0);
  rd_kafka_assign(handle_, nullptr);
}

bool Consumer::commit_later(std::span<const Offset> offsets) {
  if (commits_) return false;
  const auto list = list_of(offsets);
  commits_ = rd_kafka_commit(handle_, list.get(), 1) == RD_KAFKA_RESP_ERR_NO_ERROR;
  return commits_;
}

Result<void> Consumer::commit_now(std::span<const Offset> offsets, milliseconds patience) {
  const auto list = list_of(offsets);
  const QueueHandle queue{rd_kafka_queue_new(handle_)};
  // Not rd_kafka_commit, which would wait without end for a broker that is away.
  if (const auto error = rd_kafka_commit_queue(handle_, list.get(), queue.get(), nullptr, nullptr);
      error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return unavailable(error);
  const EventHandle event{rd_kafka_queue_poll(queue.get(), to_int(patience))};
  if (!event) return unavailable(RD_KAFKA_RESP_ERR__TIMED_OUT);
  const auto error = rd_kafka_event_error(event.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR__NO_OFFSET) return unavailable(error);
  return {};
}

std::size_t Consumer::queued() const { return rd_kafka_queue_length(queue_.get()); }

void Consumer::pause(const TopicPartition& where) {
  const Offset one{.where = where, .offset = 0};
  rd_kafka_pause_partitions(handle_, list_of(std::span{&one, 1}).get());
}

void Consumer::resume(const TopicPartition& where) {
  const Offset one{.where = where, .offset = 0};
  rd_kafka_resume_partitions(handle_, list_of(std::span{&one, 1}).get());
}

Result<void> Consumer::seek(const Offset& to) {
  const auto list = list_of(std::span{&to, 1});
  if (const ErrorHandle error{rd_kafka_seek_partitions(handle_, list.get(), 5000)})
    return failure(Errc::store_unavailable, rd_kafka_error_string(error.get()));
  if (list->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable(list->elems[0].err);
  return {};
}

std::optional<std::int64_t> Consumer::known_end(const TopicPartition& where) const {
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto error = rd_kafka_get_watermark_offsets(handle_, where.topic.c_str(), where.partition, &low, &high);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR || high < 0) return std::nullopt;
  return high;
}

Result<std::int64_t> Consumer::ask_end(const TopicPartition& where, milliseconds patience) {
  PEBBLES_TRY(found, ask_watermarks(where, patience));
  return found.second;
}

Result<std::int64_t> Consumer::ask_begin(const TopicPartition& where, milliseconds patience) {
  PEBBLES_TRY(found, ask_watermarks(where, patience));
  return found.first;
}

Result<std::pair<std::int64_t, std::int64_t>> Consumer::ask_watermarks(const TopicPartition& where,
                                                                       milliseconds patience) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto error =
      rd_kafka_query_watermark_offsets(handle_, where.topic.c_str(), where.partition, &low, &high, to_int(patience));
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable(error);
  return std::pair{low, high};
}

Result<std::optional<std::int64_t>> Consumer::ask_committed(const TopicPartition& where, milliseconds patience) {
  const Offset one{.where = where, .offset = RD_KAFKA_OFFSET_INVALID};
  const auto list = list_of(std::span{&one, 1});
  if (const auto error = rd_kafka_committed(handle_, list.get(), to_int(patience)); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return unavailable(error);
  const auto& found = list->elems[0];
  if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable(found.err);
  return found.offset < 0 ? std::nullopt : std::optional{found.offset};
}

std::optional<std::string> Consumer::fatal_error() const {
  std::array<char, 512> text{};
  if (rd_kafka_fatal_error(handle_, text.data(), text.size()) == RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  return text.data();
}

void Consumer::close(milliseconds patience) {
  const QueueHandle queue{rd_kafka_queue_new(handle_)};
  const ErrorHandle error{rd_kafka_consumer_close_queue(handle_, queue.get())};
  const auto until = steady_clock::now() + patience;
  while (!error && rd_kafka_consumer_closed(handle_) == 0 && steady_clock::now() < until) {
    const EventHandle event{rd_kafka_queue_poll(queue.get(), 100)};
    if (event && rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE)
      rebalance(rd_kafka_event_error(event.get()), rd_kafka_event_topic_partition_list(event.get()));
  }
}

}  // namespace pebbles::kafka
