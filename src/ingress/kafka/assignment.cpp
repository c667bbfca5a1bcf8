#include "ingress/kafka/assignment.hpp"

#include <algorithm>
#include <iterator>

namespace pebbles::kafka {

using ingest::Pending;

namespace {

std::int32_t partition_of(const Pending& pending) {
  return std::get<domain::Report>(*pending.command).position->partition;
}

}  // namespace

void Assignment::add(const TopicPartition& where, ReadingId reading, ingest::EpochPtr epoch) {
  Partition partition;
  partition.where = where;
  partition.reading = reading;
  partition.epoch = std::move(epoch);
  partitions_.insert_or_assign(where.partition, std::move(partition));
}

Partition* Assignment::find(std::int32_t number) {
  const auto found = partitions_.find(number);
  return found == partitions_.end() ? nullptr : &found->second;
}

bool Assignment::parks() const {
  return std::ranges::any_of(partitions_, [](const auto& each) { return !each.second.parked.empty(); });
}

void Assignment::hand_over(ingest::Ingest& ingest, std::vector<Pending> pendings) {
  if (parks()) {
    std::vector<Pending> free;
    for (auto& pending : pendings) {
      auto& parked = partitions_.at(partition_of(pending)).parked;
      if (parked.empty())
        free.push_back(std::move(pending));
      else
        parked.push_back(std::move(pending));
    }
    pendings = std::move(free);
  }
  if (pendings.empty()) return;
  for (auto& pending : ingest.submit(std::move(pendings)))
    partitions_.at(partition_of(pending)).parked.push_back(std::move(pending));
}

void Assignment::hand_over_parked(ingest::Ingest& ingest) {
  for (auto& [number, partition] : partitions_) {
    if (partition.parked.empty()) continue;
    std::vector<Pending> again{std::move_iterator{partition.parked.begin()},
                               std::move_iterator{partition.parked.end()}};
    partition.parked.clear();
    std::ranges::move(ingest.submit(std::move(again)), std::back_inserter(partition.parked));
  }
}

void Assignment::arrive(Partition& partition, std::int64_t offset, std::int64_t next, bool keeps_gaps) {
  constexpr std::size_t gaps_max = 1000;
  const bool is_gap = !partition.expected || offset > *partition.expected;
  if (keeps_gaps && is_gap && partition.gaps.size() < gaps_max)
    partition.gaps.push_back({.from = partition.expected, .to = offset});
  partition.expected = next;
}

std::vector<Offset> Assignment::committable(const InFlight& in_flight) const {
  std::vector<Offset> out;
  for (const auto& [number, partition] : partitions_) {
    const auto state = in_flight.state(partition.reading);
    if (state && state->committable && state->committable != partition.committed)
      out.push_back({.where = partition.where, .offset = *state->committable});
  }
  return out;
}

void Assignment::note_committed(std::span<const Offset> offsets) {
  for (const auto& [where, offset] : offsets)
    if (auto* const partition = find(where.partition)) partition->committed = offset;
}

std::int64_t Assignment::unread() const {
  std::int64_t out = 0;
  for (const auto& [number, partition] : partitions_) out += std::max<std::int64_t>(0, partition.end - partition.next);
  return out;
}

Partition* Assignment::longest_backlog() {
  const auto backlog = [](const auto& each) { return each.second.end - each.second.next; };
  const auto longest = std::ranges::max_element(partitions_, {}, backlog);
  return longest == partitions_.end() ? nullptr : &longest->second;
}

}  // namespace pebbles::kafka
