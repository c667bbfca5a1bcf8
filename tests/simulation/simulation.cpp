#include "simulation/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <random>
#include <set>

#include "base/assert.hpp"
#include "ingest/committer.hpp"
#include "simulation/history.hpp"
#include "support/events.hpp"
#include "support/fake_clock.hpp"

namespace pebbles::simulation {

using domain::Rejection;
using ingest::Outcome;
using ingest::Pending;
using ingest::Settlement;
using store::StreamId;
using support::Moment;

void Tally::add(const Tally& other) {
  applied += other.applied;
  replayed += other.replayed;
  not_the_owner += other.not_the_owner;
  key_reused += other.key_reused;
  already_completed += other.already_completed;
  counter_overflow += other.counter_overflow;
  unstorable += other.unstorable;
  retry += other.retry;
  retry_maybe_applied += other.retry_maybe_applied;
  crashes += other.crashes;
  restarts += other.restarts;
  late_writes_landed += other.late_writes_landed;
  late_writes_failed += other.late_writes_failed;
  rebuilds += other.rebuilds;
  partitions_moved += other.partitions_moved;
  position_replays += other.position_replays;
  interleaved += other.interleaved;
  dead_letters += other.dead_letters;
  dead_letters_lost += other.dead_letters_lost;
  dropped += other.dropped;
  replayed_behind_a_dead_letter += other.replayed_behind_a_dead_letter;
}

namespace {

constexpr int instances_count = 3;
constexpr int partitions_count = 2;
constexpr int window_max = 12;  // messages of one partition under way
constexpr std::size_t updates_max = 90;
constexpr int calls_max = 1000;  // to the store, for one batch
constexpr std::string_view unstorable_mark = "the store cannot take this";

/// Thrown out of a store's call: the instance died there.
struct Crashed {};

/// One update as its producer sees it. Its number stands in the event as `total`, so that the log tells what of it
/// was counted without any help from keys or positions.
struct Update {
  int number = 0;
  StreamId stream;
  domain::Report report;
  bool unstorable = false;
  int partition = -1;  ///< of a queue that is read in order; -1: told by a client
  // What its producer knows:
  int outstanding = 0;
  bool applied = false;       ///< told so
  bool acknowledged = false;  ///< Applied or Replayed
  bool refused = false;       ///< Refused or Unstorable
  bool dead_lettered = false;
  bool maybe = false;  ///< may be counted although nobody was told so
  bool given_up = false;
  [[nodiscard]] bool final() const { return acknowledged || refused; }
};

struct Delivery {
  int update = 0;
  int epoch = 0;
  std::shared_ptr<ingest::Epoch> life;
  bool settled = false;
};

/// A partition's consumer as invariant 8 demands it: takes in order, and when the partition moves, or an instance ends
/// with messages of it, reads again from the first that is not final.
struct Partition {
  std::vector<int> messages;
  std::vector<bool> final;
  std::size_t next = 0;
  int outstanding = 0;
  int epoch = 0;
  std::shared_ptr<ingest::Epoch> life = std::make_shared<ingest::Epoch>();
  int instance = 0;
  bool rewind = false;
  std::deque<int> put_back;  ///< of a broken source alone

  void begin_epoch() {
    life = std::make_shared<ingest::Epoch>();
    ++epoch;
    outstanding = 0;
    rewind = true;
  }
};

/// On its way to its topic.
struct DeadLetter {
  int update = 0;
  ingest::GatePtr gate;
};

class Simulation {
 public:
  explicit Simulation(const Options& options);
  Report run();

 private:
  struct Instance;
  class Callers;

  // Chance.
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  bool chance(double probability) { return static_cast<double>(random_() >> 11U) * 0x1p-53 < probability; }
  double some(double much) { return std::array{0.0, 0.0, much / 4, much}[pick(4)]; }

  // The world.
  void start(int number);
  void stop(int number);
  bool act_on(int number, const std::function<void(Instance&)>& act);
  void at_moment(int number, Moment moment);
  void step(int depth);
  void heal();

  // Producers.
  int make_update(int partition);
  void send(int number);
  void poll(int number_of_partition);
  Pending deliver(int update, int instance);
  void settled(int instance, Settlement settlement, bool lost);
  void settled_in_partition(Partition& partition, const Delivery& delivery, Update& update, const Outcome* outcome);
  void refused_in_partition(int instance, Update& update, ingest::GatePtr gate);
  void end_epoch(Partition& partition);
  void write_dead_letter(int instance);
  void proceed(int instance);

  // Checks.
  void check_outcome(Update& update, const Outcome& outcome);
  void check_refused(const Update& update, Rejection why);
  [[nodiscard]] bool was_refused_before_later_ones(const Update& update) const;
  void check_counts();
  void read_tail();
  void look() {
    if (auto wrong = history_.read_along()) fail(*wrong);
  }
  void fail(std::string what) {
    if (!failure_) failure_ = std::move(what);
  }

  std::mt19937_64 random_;
  int steps_;
  support::FakeClock clock_;
  support::MemoryLog log_;
  History history_;
  support::Faults faults_;
  double crash_ = 0;
  double interleave_ = 0;
  bool healing_ = false;
  int depth_ = 0;
  ingest::CommitterOptions committer_options_;
  std::deque<Update> updates_;
  std::deque<Delivery> deliveries_;
  std::array<Partition, partitions_count> partitions_;
  std::vector<std::unique_ptr<Instance>> instances_;
  std::vector<std::shared_ptr<ingest::Epoch>> zombies_;  ///< ended elsewhere, and their instance does not know it yet
  BrokenSource broken_source_;
  std::uint64_t writers_ = 0;
  store::TailCursor cursor_ = 0;
  std::map<StreamId, std::vector<domain::ProgressEvent>> tailed_;
  std::optional<std::string> failure_;
  Tally tally_;
};

class Simulation::Callers final : public ingest::AckSink {
 public:
  Callers(Simulation& simulation, int instance) : simulation_{simulation}, instance_{instance} {}
  void settle(std::vector<Settlement> settlements) override {
    for (auto& settlement : settlements) simulation_.settled(instance_, std::move(settlement), lost);
  }
  bool lost = false;  ///< the instance is dead: what it still says reaches nobody

 private:
  Simulation& simulation_;
  int instance_;
};

struct Simulation::Instance {
  Callers callers;
  support::MemoryStore store;
  std::chrono::milliseconds skew{};
  std::deque<DeadLetter> dead_letters;
  bool busy = false;
  bool ends = false;
  int calls = 0;                                 ///< to the store, of the present batch
  std::unique_ptr<ingest::Committer> committer;  // last: its end settles what it holds
};

Simulation::Simulation(const Options& options)
    : random_{options.seed * 0x9e3779b97f4a7c15ULL + 1},
      steps_{options.steps},
      history_{log_},
      broken_source_{options.broken_source} {
  log_.broken = options.broken;
  log_.refuses = [](const store::Append& append) {
    return std::ranges::any_of(append.chunk.events, [](const domain::ProgressEvent& event) {
      const auto& errors = std::get<domain::Reported>(event.what).errors;
      return !errors.empty() && errors.begin()->message == unstorable_mark;
    });
  };
  faults_ = {.away = some(0.1),
             .not_stored = some(0.1),
             .unknown_never = some(0.15),
             .unknown_landed = some(0.15),
             .unknown_later = some(0.2),
             .snapshot_lost = some(0.3)};
  crash_ = some(0.02);
  interleave_ = some(0.3);
  committer_options_ = {.writer = 0,
                        .cache_bytes_max = chance(0.3) ? pick(3000) : 64UL << 20U,
                        .conflicts_max = static_cast<int>(1 + pick(4)),
                        .settle_attempts_max = static_cast<int>(1 + pick(4))};
  for (int i = 0; i < instances_count; ++i) {
    instances_.push_back(nullptr);
    start(i);
  }
}

void Simulation::start(int number) {
  auto options = committer_options_;
  options.writer = ++writers_;
  auto instance = std::unique_ptr<Instance>(new Instance{.callers = {*this, number},
                                                         .store = support::MemoryStore{log_, random_()},
                                                         .skew = std::chrono::milliseconds{pick(4000)},
                                                         .dead_letters = {},
                                                         .committer = nullptr});
  if (!healing_) instance->store.faults = faults_;
  instance->store.at_moment = [this, number](Moment moment) { at_moment(number, moment); };
  instance->committer = std::make_unique<ingest::Committer>(instance->store, options);
  instances_[static_cast<std::size_t>(number)] = std::move(instance);
}

void Simulation::stop(int number) {
  auto& instance = *instances_[static_cast<std::size_t>(number)];
  instance.ends = true;
  tally_.dead_letters_lost += static_cast<std::int64_t>(instance.dead_letters.size());
  instance.dead_letters.clear();
  instance.committer.reset();
  for (auto& partition : partitions_)
    if (partition.instance == number) end_epoch(partition);
}

bool Simulation::act_on(int number, const std::function<void(Instance&)>& act) {
  auto& instance = *instances_[static_cast<std::size_t>(number)];
  if (instance.busy) return false;
  instance.busy = true;
  instance.calls = 0;
  try {
    act(instance);
    instance.busy = false;
  } catch (const Crashed&) {
    ++tally_.crashes;
    stop(number);
    start(number);
  }
  look();
  return true;
}

/// Inside a call to the store: the instance may die here, and the others go on meanwhile.
void Simulation::at_moment(int number, Moment moment) {
  look();
  auto& calls = instances_[static_cast<std::size_t>(number)]->calls;
  if (++calls > calls_max) {
    fail("an instance turns in circles");
    instances_[static_cast<std::size_t>(number)]->callers.lost = true;
    throw Crashed{};
  }
  if (healing_ || failure_) return;
  if (chance(interleave_) && depth_ < instances_count - 1) {
    ++depth_;
    ++tally_.interleaved;
    step(depth_);
    --depth_;
  }
  if (chance(moment == Moment::after_chunk ? 2 * crash_ : crash_ / 2)) {
    instances_[static_cast<std::size_t>(number)]->callers.lost = true;
    throw Crashed{};
  }
}

int Simulation::make_update(int partition) {
  const int number = static_cast<int>(updates_.size());
  static const std::array streams{support::stream_id("krn:a", "hot.csv"), support::stream_id("krn:a", "warm.csv"),
                                  support::stream_id("krn:A", "hot.csv"), support::stream_id("krn:b", "cold.csv")};
  const auto& stream = streams[std::min(pick(streams.size()), pick(streams.size()))];
  support::Told told{.by = chance(0.9) ? "ann@example.com" : "bob@example.com",
                     .counts = {.done = static_cast<std::int64_t>(pick(10)), .warn = number, .failed = 1},
                     .total = number + 1,
                     .is_last = chance(0.01)};
  const bool unstorable = chance(0.02);
  if (unstorable) told.errors.push_back({.line = 1, .message = std::string{unstorable_mark}});
  if (!unstorable && chance(0.1)) told.errors.push_back({.line = {}, .message = fmt::format("error {}", number)});
  if (chance(0.01)) told.counts.done = domain::count_max - 5;
  if (chance(partition < 0 ? 0.7 : 0.2)) told.key = fmt::format("p:{}", number);
  const bool reuses = told.key && !updates_.empty() && chance(0.08);
  if (reuses)
    if (const auto& other = updates_[pick(updates_.size())]; other.report.key) told.key = other.report.key->text;
  if (partition >= 0) {
    const auto& messages = partitions_[static_cast<std::size_t>(partition)].messages;
    told.channel = domain::Channel::kafka;
    told.position = {
        .log = "log", .topic = "t", .partition = partition, .offset = static_cast<std::int64_t>(messages.size()) * 2};
  }
  updates_.push_back({.number = number,
                      .stream = stream,
                      .report = support::report(told, support::file_id(static_cast<std::uint64_t>(number + 1))),
                      .unstorable = unstorable,
                      .partition = partition});
  return number;
}

Pending Simulation::deliver(int number, int instance) {
  auto& update = updates_[static_cast<std::size_t>(number)];
  ++update.outstanding;
  const auto ticket = deliveries_.size();
  Delivery delivery{.update = number, .epoch = 0, .life = {}};
  if (update.partition >= 0) {
    const auto& partition = partitions_[static_cast<std::size_t>(update.partition)];
    delivery.epoch = partition.epoch;
    delivery.life = partition.life;
    if (broken_source_.epoch_for_each) zombies_.push_back(delivery.life = std::make_shared<ingest::Epoch>());
    if (broken_source_.puts_back_alone) delivery.life = nullptr;
  }
  deliveries_.push_back(delivery);
  auto report = update.report;
  auto& to = *instances_[static_cast<std::size_t>(instance)];
  report.at = clock_.now() + to.skew;
  return {.stream = update.stream,
          .command = std::move(report),
          .ack = ingest::Ack{to.callers, ticket},
          .epoch = delivery.life};
}

/// New updates, retries, and redeliveries of anything that has a key.
void Simulation::send(int instance) {
  if (instances_[static_cast<std::size_t>(instance)]->busy) return;
  std::vector<int> due;
  std::vector<int> keyed;
  for (const auto& update : updates_) {
    if (update.partition >= 0) continue;
    if (update.report.key) keyed.push_back(update.number);
    if (update.outstanding == 0 && !update.final() && !update.given_up) due.push_back(update.number);
  }
  std::vector<Pending> batch;
  for (auto left = 1 + pick(8); left > 0; --left) {
    const auto what = pick(20);
    if (!due.empty() && (what < 6 || healing_)) {
      const auto index = pick(due.size());
      batch.push_back(deliver(due[index], instance));
      due.erase(due.begin() + static_cast<std::ptrdiff_t>(index));
    } else if (!keyed.empty() && what < 9 && !healing_) {
      const auto again = keyed[pick(keyed.size())];
      batch.push_back(deliver(again, instance));
      if (chance(0.2)) batch.push_back(deliver(again, instance));  // twins in one batch
    } else if (updates_.size() < updates_max && !healing_) {
      batch.push_back(deliver(make_update(-1), instance));
    }
  }
  if (batch.empty()) return;
  act_on(instance, [&](Instance& on) { on.committer->process(std::move(batch)); });
}

/// The instance that read it may learn of it later.
void Simulation::end_epoch(Partition& partition) {
  if (chance(0.5))
    partition.life->end();
  else
    zombies_.push_back(partition.life);
  partition.begin_epoch();
}

void Simulation::poll(int number) {
  auto& partition = partitions_[static_cast<std::size_t>(number)];
  if (!zombies_.empty() && (healing_ || chance(0.5))) {
    const auto index = static_cast<std::ptrdiff_t>(pick(zombies_.size()));
    zombies_[static_cast<std::size_t>(index)]->end();
    zombies_.erase(zombies_.begin() + index);
  }
  if (!healing_ && chance(0.1)) {  // the partition moves, whatever is still out
    ++tally_.partitions_moved;
    end_epoch(partition);
    partition.instance = static_cast<int>(pick(instances_count));
  }
  if (instances_[static_cast<std::size_t>(partition.instance)]->busy) return;
  if (partition.rewind) {
    partition.rewind = false;
    partition.next = static_cast<std::size_t>(std::ranges::find(partition.final, false) - partition.final.begin());
    if (partition.next > 0 && chance(0.2)) --partition.next;  // offsets are committed late
  }
  std::vector<Pending> batch;
  for (auto left = 1 + pick(5); left > 0 && partition.outstanding < window_max; --left) {
    if (!partition.put_back.empty() && chance(0.5)) {
      batch.push_back(deliver(partition.put_back.front(), partition.instance));
      partition.put_back.pop_front();
      ++partition.outstanding;
      continue;
    }
    if (partition.next == partition.messages.size()) {
      if (updates_.size() >= updates_max || healing_) break;
      const int update = make_update(number);
      partition.messages.push_back(update);
      partition.final.push_back(false);
    }
    batch.push_back(deliver(partition.messages[partition.next++], partition.instance));
    ++partition.outstanding;
  }
  if (batch.empty()) return;
  act_on(partition.instance, [&](Instance& on) { on.committer->process(std::move(batch)); });
}

void Simulation::settled(int instance, Settlement settlement, bool lost) {
  auto& delivery = deliveries_[settlement.ticket];
  auto& update = updates_[static_cast<std::size_t>(delivery.update)];
  if (delivery.settled) return fail(fmt::format("update {} was settled twice", update.number));
  delivery.settled = true;
  --update.outstanding;
  bool retry = true;
  if (lost) {
    update.maybe = true;
  } else {
    look();
    check_outcome(update, settlement.outcome);
    retry = std::holds_alternative<ingest::Retry>(settlement.outcome);
  }
  if (update.partition >= 0) {
    if (!lost) {
      if (auto* refused = std::get_if<ingest::Refused>(&settlement.outcome))
        refused_in_partition(instance, update, refused->gate);
      else if (auto* unstorable = std::get_if<ingest::Unstorable>(&settlement.outcome))
        refused_in_partition(instance, update, unstorable->gate);
      else if (retry && delivery.life && !delivery.life->ended() &&
               !instances_[static_cast<std::size_t>(instance)]->ends)
        fail(fmt::format("update {} of a log was sent back alone", update.number));
    }
    return settled_in_partition(partitions_[static_cast<std::size_t>(update.partition)], delivery, update,
                                lost ? nullptr : &settlement.outcome);
  }
  if (!retry) return;
  // Without a key only what was certainly not counted may be told again.
  if (!update.report.key && (update.maybe || chance(0.1))) update.given_up = true;
}

void Simulation::settled_in_partition(Partition& partition, const Delivery& delivery, Update& update,
                                      const Outcome* outcome) {
  const auto index = std::ranges::find(partition.messages, update.number) - partition.messages.begin();
  const bool stored = outcome != nullptr && (std::holds_alternative<ingest::Applied>(*outcome) ||
                                             std::holds_alternative<ingest::Replayed>(*outcome));
  if (stored) partition.final[static_cast<std::size_t>(index)] = true;
  if (delivery.epoch != partition.epoch) return;
  --partition.outstanding;
  if (outcome != nullptr && !std::holds_alternative<ingest::Retry>(*outcome)) return;
  ++tally_.dropped;
  if (broken_source_.puts_back_alone)
    partition.put_back.push_back(update.number);
  else
    end_epoch(partition);
}

void Simulation::refused_in_partition(int instance, Update& update, ingest::GatePtr gate) {
  ++tally_.dead_letters;
  if (gate && broken_source_.passes_gates_early) {
    gate->pass();
    gate = nullptr;
  }
  instances_[static_cast<std::size_t>(instance)]->dead_letters.push_back(
      {.update = update.number, .gate = std::move(gate)});
}

void Simulation::write_dead_letter(int instance) {
  auto& letters = instances_[static_cast<std::size_t>(instance)]->dead_letters;
  if (letters.empty()) return;
  auto letter = std::move(letters.front());
  letters.pop_front();
  auto& update = updates_[static_cast<std::size_t>(letter.update)];
  update.dead_lettered = true;
  auto& partition = partitions_[static_cast<std::size_t>(update.partition)];
  const auto index = std::ranges::find(partition.messages, update.number) - partition.messages.begin();
  partition.final[static_cast<std::size_t>(index)] = true;
  if (letter.gate) letter.gate->pass();
  proceed(instance);
}

void Simulation::proceed(int instance) {
  act_on(instance, [](Instance& on) {
    if (on.committer->can_proceed()) on.committer->process({});
  });
}

void Simulation::check_outcome(Update& update, const Outcome& outcome) {
  const auto& stream = history_.of(update.stream);
  const auto event = std::ranges::find_if(stream.events, [&](const domain::ProgressEvent& known) {
    return std::get<domain::Reported>(known.what).total == update.number + 1;
  });
  const bool counted = event != stream.events.end();
  const auto wrong = [&](std::string_view what) { fail(fmt::format("update {}: {}", update.number, what)); };
  const auto is_a_state = [&](const std::shared_ptr<const domain::Progress>& state) {
    return state && std::cmp_less(state->version, stream.states.size()) &&
           *state == stream.states[static_cast<std::size_t>(state->version)];
  };

  if (const auto* applied = std::get_if<ingest::Applied>(&outcome)) {
    ++tally_.applied;
    if (!counted) return wrong("told Applied, and the log does not have it");
    if (!applied->after || std::cmp_greater_equal(applied->after->version, stream.states.size()) ||
        *applied->after != ingest::ShownState{stream.states[static_cast<std::size_t>(applied->after->version)]})
      return wrong("told Applied with a state that never was");
    if (applied->after->version != event->version) return wrong("told Applied with the state of another event");
    if (applied->created != (event->version == 1)) return wrong("told `created` wrongly");
    if (update.applied) return wrong("told Applied twice");
    update.applied = update.acknowledged = true;
  } else if (const auto* replayed = std::get_if<ingest::Replayed>(&outcome)) {
    ++tally_.replayed;
    if (update.partition >= 0 && !update.report.key) ++tally_.position_replays;
    if (!is_a_state(replayed->now)) return wrong("told Replayed with a state that never was");
    if (!counted) {
      // A later message of its partition was folded in, so this one has to have been refused before that.
      if (!was_refused_before_later_ones(update)) return wrong("told Replayed, and the log does not have it");
      if (!update.dead_lettered) return wrong("is behind a later one, and its dead letter is not durable");
      ++tally_.replayed_behind_a_dead_letter;
      return;
    }
    if (replayed->now->version < event->version) return wrong("told Replayed with a state from before it");
    update.acknowledged = true;
  } else if (const auto* refused = std::get_if<ingest::Refused>(&outcome)) {
    if (counted) return wrong("told Refused, and the log has it");
    check_refused(update, refused->why);
    update.refused = true;
  } else if (std::holds_alternative<ingest::Unstorable>(outcome)) {
    ++tally_.unstorable;
    if (!update.unstorable) return wrong("told Unstorable because of somebody else");
    update.refused = true;
  } else {
    ++tally_.retry;
    const bool maybe = std::get<ingest::Retry>(outcome).maybe_applied;
    if (maybe) ++tally_.retry_maybe_applied;
    if (maybe) update.maybe = true;
    const bool alone = update.outstanding == 0 && !update.maybe && !update.acknowledged;
    if (!maybe && counted && alone) return wrong("told to retry as not applied, and the log has it");
  }
}

void Simulation::check_refused(const Update& update, Rejection why) {
  const auto& stream = history_.of(update.stream);
  const auto& now = stream.states.back();
  const auto wrong = [&] { fail(fmt::format("update {}: {} is not so", update.number, domain::name_of(why))); };
  switch (why) {
    case Rejection::not_the_owner:
      ++tally_.not_the_owner;
      if (now.version == 0 || now.owner == update.report.by) wrong();
      return;
    case Rejection::key_reused: {
      ++tally_.key_reused;
      const bool reused = std::ranges::any_of(stream.events, [&](const domain::ProgressEvent& event) {
        return event.key && update.report.key && event.key->text == update.report.key->text &&
               event.key->fingerprint != update.report.key->fingerprint;
      });
      if (!reused) wrong();
      return;
    }
    case Rejection::already_completed:
      ++tally_.already_completed;
      if (!now.completed) wrong();
      return;
    case Rejection::counter_overflow:
      ++tally_.counter_overflow;
      if (now.counts.done <= domain::count_max - update.report.what.counts.done) wrong();
      return;
    case Rejection::no_such_file:
    case Rejection::precondition_failed: return wrong();  // nobody here sends what leads to these
  }
}

/// What its own partition's order made a duplicate without being counted: right only if it could never be counted.
bool Simulation::was_refused_before_later_ones(const Update& update) const {
  const auto& stream = history_.of(update.stream);
  const auto& position = update.report.position;
  if (!position) return false;
  const auto later = std::ranges::find_if(stream.events, [&](const domain::ProgressEvent& event) {
    return event.position && event.position->same_partition(*position) && event.position->offset > position->offset;
  });
  if (later == stream.events.end()) return false;
  if (update.unstorable) return true;
  std::optional<domain::KeyHit> hit;
  for (auto event = stream.events.begin(); event != later; ++event)
    if (event->key && update.report.key && event->key->hash == update.report.key->hash)
      hit = {.version = event->version, .fingerprint = event->key->fingerprint};
  const auto& before = stream.states[static_cast<std::size_t>(later->version - 1)];
  const auto decision = decide(before, update.report, hit ? &*hit : nullptr);
  return std::holds_alternative<Rejection>(decision);
}

/// Every acknowledged update once, refused ones never, those in doubt at most once.
void Simulation::check_counts() {
  std::vector<int> counted(updates_.size());
  for (const auto& [id, stream] : history_.streams())
    for (const auto& event : stream.events) {
      const auto number = static_cast<std::size_t>(*std::get<domain::Reported>(event.what).total - 1);
      if (number >= updates_.size() || updates_[number].stream != id) return fail("the log has what nobody told");
      ++counted[number];
    }
  for (const auto& update : updates_) {
    const auto times = counted[static_cast<std::size_t>(update.number)];
    const auto wrong = [&](std::string_view what) {
      fail(fmt::format("update {} {} and counted {} times", update.number, what, times));
    };
    if (times > 1) wrong("was told once");
    if (update.acknowledged && times != 1) wrong("was acknowledged");
    if (update.refused && times != 0) wrong("was refused");
    if (update.refused && update.partition >= 0 && !update.dead_lettered) wrong("was refused without a dead letter");
    if (update.given_up && !update.maybe && times != 0) wrong("was given up as certainly not applied");
    if (update.outstanding != 0) wrong("was never settled");
    if (!update.final() && !update.given_up) wrong("never came to an outcome");
  }
}

void Simulation::read_tail() {
  const auto page = log_.tail(cursor_, 1 + pick(6));
  if (page->next < cursor_) return fail("the tail's cursor went back");
  if (page->entries.empty() != (page->next == cursor_)) fail("the tail's cursor and its entries disagree");
  cursor_ = page->next;
  for (const auto& entry : page->entries) tailed_[entry.stream].push_back(entry.event);
}

void Simulation::step(int depth) {
  const int instance = static_cast<int>(pick(instances_count));
  switch (pick(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6: return send(instance);
    case 7:
    case 8:
    case 9:
    case 10: return poll(static_cast<int>(pick(partitions_count)));
    case 11:
    case 12: act_on(instance, [](Instance& on) { on.committer->settle(); }); return;
    case 13: return write_dead_letter(instance);
    case 14:
    case 15:
      if (log_.lingering() == 0) return;
      if (const auto index = pick(log_.lingering()); chance(0.8))
        ++(log_.land(index) ? tally_.late_writes_landed : tally_.late_writes_failed);
      else
        log_.drop(index);
      return look();
    case 16: return read_tail();
    case 17:
      return clock_.advance(std::chrono::milliseconds{static_cast<int>(pick(5000)) - (chance(0.3) ? 60'000 : 0)});
    case 18: {
      if (log_.streams().empty()) return;
      if (chance(0.3)) log_.sweep();
      auto stream = log_.streams().begin();
      std::advance(stream, static_cast<std::ptrdiff_t>(pick(log_.streams().size())));
      if (log_.rebuild(StreamId{stream->first})) ++tally_.rebuilds;
      return look();
    }
    default:  // an instance is stopped in good order, and starts anew
      if (depth > 0 || instances_[static_cast<std::size_t>(instance)]->busy || chance(0.5)) return;
      ++tally_.restarts;
      stop(instance);
      start(instance);
      return look();
  }
}

/// Nothing fails any more; late writes arrive or don't; everybody retries until all is settled.
void Simulation::heal() {
  healing_ = true;
  for (auto& instance : instances_) instance->store.faults = {};
  const auto done = [&] {
    return log_.lingering() == 0 &&
           std::ranges::all_of(instances_, [](const auto& on) { return on->committer->unsettled() == 0; }) &&
           std::ranges::all_of(updates_, [](const Update& update) {
             return update.outstanding == 0 && (update.final() || update.given_up) &&
                    (!update.refused || update.partition < 0 || update.dead_lettered);
           });
  };
  for (int round = 0; round < 200 && !done() && !failure_; ++round) {
    if (log_.lingering() > 0 && chance(0.3)) {
      const auto index = pick(log_.lingering());
      if (chance(0.5))
        log_.drop(index);
      else
        log_.land(index);
      look();
    }
    for (int i = 0; i < instances_count; ++i) {
      if (chance(0.5)) act_on(i, [](Instance& on) { on.committer->settle(); });
      write_dead_letter(i);
      proceed(i);
      send(i);
    }
    for (int i = 0; i < partitions_count; ++i) poll(i);
  }
}

Report Simulation::run() {
  for (int i = 0; i < steps_ && !failure_; ++i) step(0);
  if (!failure_) heal();
  if (!failure_) look();
  if (!failure_) check_counts();
  if (!failure_) {
    log_.sweep();
    if (auto wrong = history_.check_all()) fail(*wrong);
  }
  for (int i = 0; i < 1000 && !failure_; ++i) read_tail();
  if (!failure_)
    for (const auto& [id, stream] : history_.streams())
      if (tailed_[id] != stream.events) fail(fmt::format("{}: the tail is not the log", *id.filename));
  // What is left is settled while everything still stands.
  auto failure = failure_;
  for (auto& instance : instances_) instance->committer.reset();
  return {.failure = std::move(failure), .tally = tally_};
}

}  // namespace

Report simulate(const Options& options) { return Simulation{options}.run(); }

}  // namespace pebbles::simulation
