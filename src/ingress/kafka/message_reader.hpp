#pragma once
#include <string>
#include <variant>

#include "admission/client_krn.hpp"
#include "admission/message.hpp"
#include "admission/message_about.hpp"
#include "base/clock.hpp"
#include "ingest/file_ids.hpp"
#include "ingress/kafka/client.hpp"

namespace pebbles::kafka {

/// For the log.
[[nodiscard]] admission::MessageAbout about_message(const rd_kafka_message_t& message);

/// Turns messages into updates. Threads: one. What it is given outlives it.
class MessageReader {
 public:
  MessageReader(const admission::ClientKrnRule& client_rule, const Clock& clock)
      : client_rule_{client_rule}, clock_{clock} {}

  struct Update {
    domain::StreamId stream;
    domain::Report report;
  };
  using Read = std::variant<Update, admission::Unusable>;

  /// `log` and `topic` become part of the update's position.
  [[nodiscard]] Read read(const rd_kafka_message_t& message, const std::string& log, const std::string& topic);

 private:
  const admission::ClientKrnRule& client_rule_;
  const Clock& clock_;
  ingest::FileIds ids_;
};

}  // namespace pebbles::kafka
