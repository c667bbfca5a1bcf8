#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// The bodies of SQS's requests and answers in AWS JSON 1.0. Pure. Threads: any.
namespace pebbles::sqs {

inline constexpr std::size_t batch_max = 10;       ///< messages of one request
inline constexpr std::size_t attributes_max = 10;  ///< of one message
inline constexpr std::chrono::hours visibility_max{12};

/// One attribute of a message, as its producer gave it.
struct Attribute {
  std::string name;
  std::string data_type;  ///< String, Number or Binary; behind a dot a label of the producer's may follow
  std::string value;      ///< of Binary its Base64
  [[nodiscard]] bool is_binary() const { return data_type.starts_with("Binary"); }
  friend bool operator==(const Attribute&, const Attribute&) = default;
};

struct ReceivedMessage {
  std::string id;       ///< MessageId: the same at each delivery, another one after a redrive
  std::string receipt;  ///< the handle of this delivery, by which it is deleted
  std::string body;
  std::string group;      ///< of a FIFO queue
  int receive_count = 1;  ///< deliveries so far, this one included
  std::vector<Attribute> attributes;
};

struct Received {
  std::vector<ReceivedMessage> messages;
  std::vector<std::string> damaged;  ///< ids of those whose body is not what its MD5 says: they come again
};

/// What became of one entry of a batch.
struct EntryResult {
  bool done = false;
  bool of_sender = false;  ///< the same entry fails again
  std::string code{};
  std::string message{};
};

/// What Pebbles wants to know of a queue.
struct QueueFacts {
  std::chrono::seconds visibility_timeout{30};
  bool has_redrive_policy = false;
  std::int64_t visible = 0;  ///< messages; these three are approximate
  std::int64_t in_flight = 0;
  std::int64_t delayed = 0;
};

struct VisibilityChange {
  std::string receipt;
  std::chrono::seconds timeout{};  ///< from now on; 0: visible at once
};

struct OutgoingMessage {
  std::string body;
  std::vector<Attribute> attributes{};
  std::string group{};             ///< for FIFO queues, as the next; else empty
  std::string deduplication_id{};  ///< what is sent again within five minutes under this id is one message
};

[[nodiscard]] std::string receive_request(std::string_view queue_url, std::chrono::seconds wait);
[[nodiscard]] std::string facts_request(std::string_view queue_url);
/// Of the next three each has at most `batch_max` entries, known by their place.
[[nodiscard]] std::string delete_request(std::string_view queue_url, std::span<const std::string> receipts);
[[nodiscard]] std::string visibility_request(std::string_view queue_url, std::span<const VisibilityChange> changes);
[[nodiscard]] std::string send_request(std::string_view queue_url, std::span<const OutgoingMessage> messages);

/// Errors, of each of these: invalid_argument, the answer is none of SQS.
[[nodiscard]] Result<Received> read_received(std::string_view answer);
[[nodiscard]] Result<QueueFacts> read_facts(std::string_view answer);
/// One result for each of `entries`; what the answer says nothing of is not done.
[[nodiscard]] Result<std::vector<EntryResult>> read_batch(std::string_view answer, std::size_t entries);

}  // namespace pebbles::sqs
