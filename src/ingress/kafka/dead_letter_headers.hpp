#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/trace_context.hpp"
#include "domain/values.hpp"
#include "ingress/kafka/client.hpp"

/// What a dead letter says of itself. It has the key, the value and the headers of its original, and behind them
/// headers of ours, whose names are a contract with whoever reads the dead-letter topic.
namespace pebbles::kafka {

namespace header {
inline constexpr std::string_view ours = "pebbles-dlq-";  ///< begins the name of each of the next
inline constexpr std::string_view reason = "pebbles-dlq-reason";
inline constexpr std::string_view detail = "pebbles-dlq-detail";
inline constexpr std::string_view log = "pebbles-dlq-log";  ///< of the original's position, as the next three
inline constexpr std::string_view topic = "pebbles-dlq-topic";
inline constexpr std::string_view partition = "pebbles-dlq-partition";
inline constexpr std::string_view offset = "pebbles-dlq-offset";
inline constexpr std::string_view time = "pebbles-dlq-time";  ///< RFC 3339: when it was judged
/// The original was too large for the topic with these headers on it: what is here has a null value instead.
inline constexpr std::string_view value_omitted = "pebbles-dlq-value-omitted";
/// On a replayed message: the position of its first original, as `position_name` writes it.
inline constexpr std::string_view replay_of = "pebbles-replay-of";
}  // namespace header

/// A header with its bytes. Names may repeat; a null value is an empty one.
struct Header {
  std::string name;
  std::string value;
  friend bool operator==(const Header&, const Header&) = default;
};
using HeaderList = std::vector<Header>;

/// The headers of a message, in order.
[[nodiscard]] HeaderList headers_of(const rd_kafka_message_t& message);
/// The same for a message to produce, which copies them.
[[nodiscard]] HeadersHandle make_headers(std::span<const Header> headers);

/// Makes the letter a step of its original's trace (W3C Trace Context): its `traceparent` becomes this one. A
/// `tracestate` stays only where the trace was there before.
void put_trace(HeaderList& headers, const TraceContext& step);

/// Why and when a message became a dead letter, and where it had stood.
struct Refusal {
  std::string reason;
  std::string detail;
  domain::LogPosition position;
  Timestamp time;
  bool value_omitted = false;  ///< the letter cannot be replayed
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

/// Appends what `find_refusal` reads.
void append_headers(HeaderList& headers, const Refusal& refusal);

/// Nullopt for a message that is no dead letter of ours. The last header of a name counts.
[[nodiscard]] std::optional<Refusal> find_refusal(std::span<const Header> headers);

/// A position as one text: its four parts with `/` between them. Different positions have different names.
[[nodiscard]] std::string position_name(const domain::LogPosition& position);

/// The original's headers, and `header::replay_of`. That one names the position of the first original: a letter that
/// was written twice, or replayed and refused again, is the same update still, and must count once (invariant 12).
[[nodiscard]] HeaderList headers_for_replay(std::span<const Header> headers, const Refusal& refusal);

}  // namespace pebbles::kafka
