#include "ingress/kafka/message_reader.hpp"

#include <span>
#include <string_view>
#include <vector>

#include "base/hex.hpp"
#include "crypto/sha256.hpp"
#include "ingress/kafka/dead_letter_headers.hpp"

namespace pebbles::kafka {
namespace {

/// Views into the message.
std::vector<admission::MessageHeader> headers_in(const rd_kafka_message_t& message) {
  std::vector<admission::MessageHeader> out;
  each_header(message,
              [&](std::string_view name, std::string_view value) { out.push_back({.name = name, .value = value}); });
  return out;
}

/// The last of that name; empty when there is none.
std::string_view find_header(std::span<const admission::MessageHeader> headers, std::string_view name) {
  std::string_view out;
  for (const auto& header : headers)
    if (header.name == name) out = header.value;
  return out;
}

/// What `header::replay_of` says, as a key may be: anybody can write that header, at any length.
std::string name_of_replay(std::string_view replay_of) {
  if (admission::is_valid_key(replay_of)) return std::string{replay_of};
  return to_hex(crypto::short_sha256({replay_of}));
}

/// A message's own key knows a replayed dead letter too; without one it is known by where it stood first.
std::optional<domain::EventKey> key_of(const admission::Message& update,
                                       std::span<const admission::MessageHeader> headers) {
  if (!update.event_id.empty()) return admission::make_key("p:", update.event_id, update.what);
  const auto replay_of = find_header(headers, header::replay_of);
  if (!replay_of.empty()) return admission::make_key("r:", name_of_replay(replay_of), update.what);
  return std::nullopt;
}

}  // namespace

admission::MessageAbout about_message(const rd_kafka_message_t& message) {
  return admission::about_message({static_cast<const char*>(message.payload), message.len}, headers_in(message));
}

MessageReader::Read MessageReader::read(const rd_kafka_message_t& message, const std::string& log,
                                        const std::string& topic) {
  const auto headers = headers_in(message);
  auto parsed =
      admission::parse_message({static_cast<const char*>(message.payload), message.len}, headers, client_rule_);
  if (auto* unusable = std::get_if<admission::Unusable>(&parsed)) return std::move(*unusable);
  auto& update = std::get<admission::Message>(parsed);
  const auto now = clock_.now();
  Update out;
  out.report.key = key_of(update, headers);
  out.report.by = std::move(update.by);
  out.report.channel = domain::Channel::kafka;
  out.report.at = now;
  out.report.what = std::move(update.what);
  out.report.position =
      domain::LogPosition{.log = log, .topic = topic, .partition = message.partition, .offset = message.offset};
  out.report.id_if_new = ids_.next(now);
  out.stream = std::move(update.stream);
  return out;
}

}  // namespace pebbles::kafka
