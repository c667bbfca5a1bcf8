#include "ingress/kafka/dead_letter_headers.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace pebbles::kafka {
namespace {

const std::string* find_last(std::span<const Header> headers, std::string_view name) {
  for (std::size_t i = headers.size(); i > 0; --i)
    if (headers[i - 1].name == name) return &headers[i - 1].value;
  return nullptr;
}

template <class Number>
bool read_number(const std::string& text, Number& out) {
  const auto* const end = text.data() + text.size();
  return std::from_chars(text.data(), end, out) == std::from_chars_result{.ptr = end, .ec = {}} && out >= 0;
}

}  // namespace

HeaderList headers_of(const rd_kafka_message_t& message) {
  HeaderList out;
  each_header(message, [&](std::string_view name, std::string_view value) {
    out.push_back({.name = std::string{name}, .value = std::string{value}});
  });
  return out;
}

HeadersHandle make_headers(std::span<const Header> headers) {
  HeadersHandle out{rd_kafka_headers_new(headers.size())};
  for (const auto& [name, value] : headers)
    rd_kafka_header_add(out.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  return out;
}

void put_trace(HeaderList& headers, const TraceContext& step) {
  bool goes_on = false;
  for (const auto& header : headers)
    if (header.name == traceparent_name) {
      const auto before = parse_traceparent(header.value);
      goes_on = before && before->trace_id == step.trace_id;
    }
  std::erase_if(headers, [goes_on](const Header& one) {
    return one.name == traceparent_name || (one.name == tracestate_name && !goes_on);
  });
  headers.push_back({.name = std::string{traceparent_name}, .value = to_traceparent(step)});
}

void append_headers(HeaderList& headers, const Refusal& refusal) {
  const auto add = [&](std::string_view name, std::string value) {
    headers.push_back({.name = std::string{name}, .value = std::move(value)});
  };
  add(header::reason, refusal.reason);
  add(header::detail, refusal.detail);
  add(header::log, refusal.position.log);
  add(header::topic, refusal.position.topic);
  add(header::partition, std::to_string(refusal.position.partition));
  add(header::offset, std::to_string(refusal.position.offset));
  add(header::time, to_rfc3339(refusal.time));
  if (refusal.value_omitted) add(header::value_omitted, "true");
}

std::optional<Refusal> find_refusal(std::span<const Header> headers) {
  const auto* const reason = find_last(headers, header::reason);
  const auto* const topic = find_last(headers, header::topic);
  const auto* const partition = find_last(headers, header::partition);
  const auto* const offset = find_last(headers, header::offset);
  const auto* const time = find_last(headers, header::time);
  if (reason == nullptr || topic == nullptr || partition == nullptr || offset == nullptr || time == nullptr)
    return std::nullopt;
  const auto at = from_rfc3339(*time);
  Refusal out;
  if (!at || topic->empty() || !read_number(*partition, out.position.partition) ||
      !read_number(*offset, out.position.offset))
    return std::nullopt;
  out.reason = *reason;
  out.time = *at;
  out.value_omitted = find_last(headers, header::value_omitted) != nullptr;
  out.position.topic = *topic;
  if (const auto* const detail = find_last(headers, header::detail)) out.detail = *detail;
  if (const auto* const log = find_last(headers, header::log)) out.position.log = *log;
  return out;
}

std::string position_name(const domain::LogPosition& position) {
  // Topics have no slashes, so a log's name may have some.
  return fmt::format("{}/{}/{}/{}", position.log, position.topic, position.partition, position.offset);
}

HeaderList headers_for_replay(std::span<const Header> headers, const Refusal& refusal) {
  HeaderList out;
  std::ranges::copy_if(headers, std::back_inserter(out),
                       [](const Header& one) { return !one.name.starts_with(header::ours); });
  if (find_last(out, header::replay_of) == nullptr)
    out.push_back({.name = std::string{header::replay_of}, .value = position_name(refusal.position)});
  return out;
}

}  // namespace pebbles::kafka
