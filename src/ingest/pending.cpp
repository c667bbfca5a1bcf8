#include "ingest/pending.hpp"

namespace pebbles::ingest {

void Gate::pass() {
  if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1 && wake_) wake_();
}

Ack& Ack::operator=(Ack&& other) noexcept {
  if (this != &other) {
    drop();
    sink_ = std::exchange(other.sink_, nullptr);
    ticket_ = other.ticket_;
  }
  return *this;
}

void Ack::drop() noexcept {
  if (sink_ == nullptr) return;
  std::vector<Settlement> settlements;
  settlements.push_back({.ticket = ticket_, .outcome = Retry{}});
  std::exchange(sink_, nullptr)->settle(std::move(settlements));
}

std::size_t bytes_of(const Pending& pending) {
  const auto names =
      sizeof pending + sizeof(domain::Command) + 256 + pending.stream.client->size() + pending.stream.filename->size();
  const auto bytes_of_tags = [](const std::optional<domain::TagList>& list) {
    return list ? list->tags.capacity() * sizeof(domain::StateTag) : 0;
  };
  const auto bytes_of_condition = [&](const auto& command) {
    if (!command.only_if) return std::size_t{0};
    return sizeof *command.only_if + bytes_of_tags(command.only_if->if_match) +
           bytes_of_tags(command.only_if->if_none_match);
  };
  const auto condition = std::visit(bytes_of_condition, *pending.command);
  const auto* const report = std::get_if<domain::Report>(&*pending.command);
  if (report == nullptr) return names + condition;
  return names + condition + report->by->size() + report->what.errors.bytes() + report->what.warnings.bytes() +
         (report->key ? report->key->text.size() : 0);
}

}  // namespace pebbles::ingest
