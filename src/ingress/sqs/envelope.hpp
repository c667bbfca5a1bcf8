#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admission/message.hpp"
#include "ingress/sqs/protocol.hpp"

namespace pebbles::sqs {

/// What a message of SQS says, without what carried it: the envelope of SNS (where raw delivery is off) is taken off,
/// and attributes are headers as `admission::parse_message` knows them. Of CloudEvents, for which no binding to SQS
/// exists, the spellings of three others are read: attributes ce_id (Kafka), ce-id (HTTP) and cloudEvents_id (AMQP),
/// and so on. The envelopes of events are taken off by `admission::parse_message`.
class Content {
 public:
  /// `message` outlives it.
  explicit Content(const ReceivedMessage& message);

  [[nodiscard]] std::string_view value() const { return unwrapped_ ? *unwrapped_ : value_; }
  /// Views into this.
  [[nodiscard]] std::vector<admission::MessageHeader> headers() const;
  /// The id that SNS gave it: the same for each queue that it came to, and each time that it came.
  [[nodiscard]] const std::string& notification_id() const { return notification_id_; }

 private:
  struct Header {
    std::string name;
    std::string value;
  };
  void unwrap();
  void add(std::string_view name, std::string_view value);

  std::string_view value_;
  std::optional<std::string> unwrapped_;
  std::string notification_id_;
  std::vector<Header> headers_;
};

}  // namespace pebbles::sqs
