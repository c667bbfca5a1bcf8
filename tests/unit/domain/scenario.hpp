#pragma once
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "domain/decide.hpp"
#include "support/fake_clock.hpp"

namespace pebbles::domain {

/// What a worker tells; every member has a default that is valid.
struct Told {
  std::string by = "ann@example.com";
  Timestamp at = support::t0;
  Counts counts = {.done = 1};
  std::optional<std::int64_t> total = {};
  bool is_last = false;
  std::vector<Item> errors = {};
  std::vector<Item> warnings = {};
  std::string key = {};          ///< empty: none
  std::string fingerprint = {};  ///< of the key: what the update says, in a word
  std::optional<LogPosition> position = {};
  bool deletes = false;  ///< the file, and nothing else
  std::shared_ptr<const Precondition> only_if = {};
};

inline ShortDigest digest_of(const std::string& text) {
  ShortDigest out{};
  std::copy_n(text.begin(), std::min(text.size(), out.size()), out.begin());
  return out;
}

inline constexpr FileId first_id{1, 2, 3};

inline Report report_of(const Told& told, FileId id = first_id) {
  Report out{.by = Email{told.by},
             .channel = told.position ? Channel::kafka : Channel::rest,
             .at = told.at,
             .what = {.counts = told.counts,
                      .total = told.total,
                      .is_last = told.is_last,
                      .errors = ItemList{told.errors},
                      .warnings = ItemList{told.warnings}},
             .key = {},
             .position = told.position,
             .id_if_new = id,
             .only_if = told.only_if};
  if (!told.key.empty())
    out.key = EventKey{.text = told.key, .hash = digest_of(told.key), .fingerprint = digest_of(told.fingerprint)};
  return out;
}

/// What a decision has to be. `accepted` names the version of the event.
struct Expected {
  std::variant<Version, Duplicate, Rejection> outcome;
};
inline Expected accepted(Version version) { return {version}; }
inline Expected duplicate(Version version) { return {Duplicate{version}}; }
inline Expected rejected(Rejection rejection) { return {rejection}; }

/// `Scenario{}.given({…}).when({…}).then(accepted(2))`: a stream as its updates made it, one more, and its fate.
/// It keeps the keys of the stream as a store would.
class Scenario {
 public:
  Scenario& given(const std::vector<Told>& before) {
    for (const auto& told : before) {
      when(told, FileId{1, 2, static_cast<std::uint8_t>(3 + lives_)});
      const auto* decided = std::get_if<Accepted>(&decision_);
      EXPECT_NE(decided, nullptr) << "what is given has to be acceptable";
      if (decided != nullptr) happen(decided->event);
    }
    return *this;
  }

  Scenario& when(const Told& told, FileId id = first_id) {
    if (told.deletes)
      return when_deleting({.id = state().id, .at = told.at, .by = Email{told.by}, .only_if = told.only_if});
    const auto report = report_of(told, id);
    const KeyHit* hit = nullptr;
    if (report.key)
      if (const auto found = keys_.find(report.key->text); found != keys_.end()) hit = &found->second;
    decision_ = decide(now_.value_or(Progress{}), report, hit);
    return *this;
  }

  Scenario& when_deleting(const Delete& wanted) {
    decision_ = decide(now_.value_or(Progress{}), wanted, nullptr);
    return *this;
  }

  Scenario& then(const Expected& expected) {
    std::visit([&](const auto& outcome) { check(outcome); }, expected.outcome);
    return *this;
  }

  /// The accepted event of the last `when`.
  [[nodiscard]] const ProgressEvent& event() const { return std::get<Accepted>(decision_).event; }
  [[nodiscard]] const Progress& state() const { return *now_; }

 private:
  void check(Version version) const {
    ASSERT_TRUE(std::holds_alternative<Accepted>(decision_));
    EXPECT_EQ(event().version, version);
  }
  void check(Duplicate duplicate) const {
    ASSERT_TRUE(std::holds_alternative<Duplicate>(decision_));
    EXPECT_EQ(std::get<Duplicate>(decision_).version, duplicate.version);
  }
  void check(Rejection rejection) const {
    ASSERT_TRUE(std::holds_alternative<Rejection>(decision_));
    EXPECT_EQ(name_of(std::get<Rejection>(decision_)), name_of(rejection));
  }

  void happen(const ProgressEvent& event) {
    if (event.key) keys_[event.key->text] = {.version = event.version, .fingerprint = event.key->fingerprint};
    if (event.is_birth()) ++lives_;
    now_ = evolve(now_.value_or(Progress{}), event);
  }

  std::optional<Progress> now_;
  std::map<std::string, KeyHit> keys_;
  int lives_ = 0;
  Decision decision_;
};

}  // namespace pebbles::domain
