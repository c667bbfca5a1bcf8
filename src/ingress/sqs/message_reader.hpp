#pragma once
#include <variant>

#include "admission/client_krn.hpp"
#include "admission/message.hpp"
#include "admission/message_about.hpp"
#include "base/clock.hpp"
#include "ingest/file_ids.hpp"
#include "ingress/sqs/protocol.hpp"

namespace pebbles::sqs {

/// For the log, and for dead letters.
[[nodiscard]] admission::MessageAbout about_message(const ReceivedMessage& message);

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

  /// A redelivery is known by the producer's own key, else by the id that SNS gave, else by that of the message, or,
  /// of a dead letter of ours that was sent back, of its original.
  [[nodiscard]] Read read(const ReceivedMessage& message);

 private:
  const admission::ClientKrnRule& client_rule_;
  const Clock& clock_;
  ingest::FileIds ids_;
};

}  // namespace pebbles::sqs
