#pragma once
#include <cstddef>
#include <deque>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "admission/message.hpp"
#include "ingest/pending.hpp"
#include "ingress/sqs/ticket.hpp"

namespace pebbles::sqs {

/// A message that was read: an update, or none.
struct Arrival {
  Ticket ticket = 0;
  std::string group;
  std::variant<ingest::Pending, admission::Unusable> what;
};

/// Keeps the order within each group of a FIFO queue. Of a group one *run* is under way: updates of one file in a row,
/// whose order their lane keeps; or a single message that is no update. What is behind waits until all of the run is
/// done with, its dead letters included. Threads: one at a time.
class GroupLines {
 public:
  /// Behind what is there of its group.
  void add(Arrival arrival);
  /// The next run of each group of which nothing is under way, each in order.
  [[nodiscard]] std::vector<Arrival> take_ready();
  /// It is done with. False for one that is not under way.
  bool finish(Ticket ticket);
  /// It comes again, so what waits behind it must come again behind it: that is taken out.
  [[nodiscard]] std::vector<Arrival> abandon(Ticket ticket);
  [[nodiscard]] bool has_ready() const { return !ready_.empty(); }
  [[nodiscard]] std::vector<Arrival> take_all();

 private:
  struct Line {
    std::deque<Arrival> waiting;
    std::size_t under_way = 0;
  };
  using Lines = std::unordered_map<std::string, Line>;

  void go_on(Lines::iterator line);

  Lines lines_;                                     ///< only those with messages
  std::unordered_map<Ticket, std::string> groups_;  ///< of what is under way
  std::vector<std::string> ready_;                  ///< groups of which nothing is under way, each once
};

}  // namespace pebbles::sqs
