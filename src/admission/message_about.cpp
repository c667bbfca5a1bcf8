#include "admission/message_about.hpp"

#include <optional>

#include "base/header_text.hpp"
#include "json/parser.hpp"

namespace pebbles::admission {
namespace {

using simdjson::dom::object;

std::string_view text_of(const object& document, std::string_view name) {
  std::string_view out;
  if (document[name].get(out)) return {};
  return out;
}

std::optional<TraceContext> find_trace(std::span<const MessageHeader> headers, std::string_view name) {
  std::optional<TraceContext> out;
  for (const auto& header : headers)
    if (equal_ignoring_case(header.name, name)) out = parse_traceparent(header.value);
  return out;
}

}  // namespace

MessageAbout about_message(std::string_view value, std::span<const MessageHeader> headers) {
  const json::ParserScope scope;
  MessageAbout out;
  auto trace = find_trace(headers, traceparent_name);
  if (!trace) trace = find_trace(headers, "ce_traceparent");
  object document;
  if (value.size() <= update_bytes_max && !json::parse(value).get(document)) {
    if (!trace && !text_of(document, "specversion").empty())
      trace = parse_traceparent(text_of(document, traceparent_name));
    object data;
    if (!text_of(document, "specversion").empty() && !document["data"].get(data)) document = data;
    if (!text_of(document, "detail-type").empty() && !document["detail"].get(data)) document = data;
    out.client = text_of(document, "clientKrn");
    out.file = text_of(document, "filename");
  }
  out.trace = trace ? *std::move(trace) : new_trace();
  return out;
}

}  // namespace pebbles::admission
