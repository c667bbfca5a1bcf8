#include "ingress/sqs/message_reader.hpp"

#include "ingress/sqs/dead_letter.hpp"
#include "ingress/sqs/envelope.hpp"

namespace pebbles::sqs {
namespace {

domain::EventKey key_of(const admission::Message& update, const ReceivedMessage& message, const Content& content) {
  if (!update.event_id.empty()) return admission::make_key("p:", update.event_id, update.what);
  const auto& notification = content.notification_id();
  const auto id = admission::is_valid_key(notification) ? std::string_view{notification} : original_id(message);
  return admission::make_key("s:", id, update.what);
}

}  // namespace

admission::MessageAbout about_message(const ReceivedMessage& message) {
  const Content content{message};
  return admission::about_message(content.value(), content.headers());
}

MessageReader::Read MessageReader::read(const ReceivedMessage& message) {
  const Content content{message};
  auto parsed = admission::parse_message(content.value(), content.headers(), client_rule_);
  if (auto* unusable = std::get_if<admission::Unusable>(&parsed)) return std::move(*unusable);
  auto& update = std::get<admission::Message>(parsed);
  const auto now = clock_.now();
  Update out;
  out.report.key = key_of(update, message, content);
  out.report.by = std::move(update.by);
  out.report.channel = domain::Channel::sqs;
  out.report.at = now;
  out.report.what = std::move(update.what);
  out.report.id_if_new = ids_.next(now);
  out.stream = std::move(update.stream);
  return out;
}

}  // namespace pebbles::sqs
