#pragma once
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "admission/client_krn.hpp"
#include "admission/update.hpp"

/// Messages of queues → validated updates. A message is the update's JSON with `clientKrn` and `email` in it, bare or
/// as the data of a CloudEvent 1.0 in JSON, in binary or structured mode (CloudEvents' Kafka protocol binding, section
/// 3), or as the detail of an event of Amazon EventBridge.
namespace pebbles::admission {

/// One header, as it came. Names may repeat: the last one counts.
struct MessageHeader {
  std::string_view name;
  std::string_view value;
};

/// What is wrong with a message that no retry can mend.
enum class Reason {
  empty_value,   ///< null (a tombstone) or no bytes
  too_large,     ///< over `update_bytes_max`
  content_type,  ///< neither JSON in UTF-8 nor a CloudEvent in JSON, of the message or of the event's data
  not_json,      ///< not a JSON object in UTF-8
  invalid,       ///< a member is missing or breaks a rule
  cloud_event,   ///< not version 1.0, an attribute is missing or breaks a rule, or there is no data
  keys_differ,   ///< `eventId` and the CloudEvent's `id` are both given and are not the same
};

/// The stable name of a reason, for dead letters and metrics.
[[nodiscard]] std::string_view name_of(Reason reason);

/// A message that can never be counted. `detail` is for whoever sent it: it says what is allowed, lists at most 100
/// faults, and repeats nothing of the message but a character where it is no JSON.
struct Unusable {
  Reason reason{};
  std::string detail;
  std::string client = {};  ///< whose it says it is, where that is a valid name
};

/// An update and whose it is, all of it judged.
struct Message {
  domain::StreamId stream;
  domain::Email by;
  domain::Reported what;
  std::string event_id;  ///< the producer's own key: `eventId`, else an event's source, 0x1F, id; else empty
};

/// Judges one message. `value` is empty for a null one. Headers other than `content-type` and, of CloudEvents, `ce_…`
/// are ignored; without a `content-type`, or with a null one, the value is taken for JSON. A value with `specversion`
/// is a CloudEvent whatever its `content-type` says. Of a CloudEvent `subject`, `time`, `dataschema`
/// and extensions are ignored: what counts is in its data. Threads: any.
[[nodiscard]] std::variant<Message, Unusable> parse_message(std::string_view value,
                                                            std::span<const MessageHeader> headers,
                                                            const ClientKrnRule& client_rule);

}  // namespace pebbles::admission
