#include "ingress/sqs/group_lines.hpp"

#include <iterator>
#include <utility>

namespace pebbles::sqs {
namespace {

const domain::StreamId* stream_of(const Arrival& arrival) {
  const auto* const pending = std::get_if<ingest::Pending>(&arrival.what);
  return pending == nullptr ? nullptr : &pending->stream;
}

}  // namespace

void GroupLines::add(Arrival arrival) {
  auto& line = lines_[arrival.group];
  if (line.under_way == 0 && line.waiting.empty()) ready_.push_back(arrival.group);
  line.waiting.push_back(std::move(arrival));
}

std::vector<Arrival> GroupLines::take_ready() {
  std::vector<Arrival> out;
  for (const auto& group : std::exchange(ready_, {})) {
    auto& line = lines_.at(group);
    const auto before = out.size();
    const auto joins = [&](const Arrival& next) {
      if (out.size() == before) return true;
      const auto* const stream = stream_of(next);
      const auto* const first = stream_of(out[before]);
      return stream != nullptr && first != nullptr && *stream == *first;
    };
    while (!line.waiting.empty() && joins(line.waiting.front())) {
      groups_.emplace(line.waiting.front().ticket, group);
      out.push_back(std::move(line.waiting.front()));
      line.waiting.pop_front();
    }
    line.under_way = out.size() - before;
  }
  return out;
}

bool GroupLines::finish(Ticket ticket) {
  const auto group = groups_.find(ticket);
  if (group == groups_.end()) return false;
  const auto line = lines_.find(group->second);
  groups_.erase(group);
  if (--line->second.under_way == 0) go_on(line);
  return true;
}

std::vector<Arrival> GroupLines::abandon(Ticket ticket) {
  std::vector<Arrival> out;
  const auto group = groups_.find(ticket);
  if (group == groups_.end()) return out;
  auto& waiting = lines_.at(group->second).waiting;
  out.assign(std::move_iterator{waiting.begin()}, std::move_iterator{waiting.end()});
  waiting.clear();
  finish(ticket);
  return out;
}

std::vector<Arrival> GroupLines::take_all() {
  std::vector<Arrival> out;
  for (auto& [group, line] : lines_)
    out.insert(out.end(), std::move_iterator{line.waiting.begin()}, std::move_iterator{line.waiting.end()});
  lines_.clear();
  groups_.clear();
  ready_.clear();
  return out;
}

void GroupLines::go_on(Lines::iterator line) {
  if (line->second.waiting.empty())
    lines_.erase(line);
  else
    ready_.push_back(line->first);
}

}  // namespace pebbles::sqs
