#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// W3C Trace Context (levels 1 and 2): whose request a request belongs to.
namespace pebbles {

inline constexpr std::string_view traceparent_name = "traceparent";
inline constexpr std::string_view tracestate_name = "tracestate";

/// A `traceparent`: a trace, and the step of it that asked.
struct TraceContext {
  std::string trace_id;   ///< 32 hexadecimal digits in lower case, not all zero
  std::string parent_id;  ///< 16 likewise
  std::uint8_t flags = 0;
  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

/// Nullopt for what section 3.2 forbids: another length, digits in upper case, a trace or parent of zeros, version ff.
/// Of a later version what version 00 knows is read. White space around it is a transport's and is not minded.
[[nodiscard]] std::optional<TraceContext> parse_traceparent(std::string_view text);

/// A trace of our own, not sampled: who records spans decides that, and here nobody does.
[[nodiscard]] TraceContext new_trace();
/// The same trace, with a step of ours in it.
[[nodiscard]] TraceContext next_step(TraceContext before);

/// As version 00, with the flags that it and level 2 know.
[[nodiscard]] std::string to_traceparent(const TraceContext& context);

}  // namespace pebbles
