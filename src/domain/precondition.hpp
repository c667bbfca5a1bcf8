#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/progress.hpp"
#include "domain/values.hpp"

namespace pebbles::domain {

/// Which state of which file an entity tag is about. What else a tag tells (how many errors are shown, that the file is
/// stalled by now) is about its representation: no update has changed the file by that.
struct StateTag {
  FileId id{};
  Version version = 0;
  Timestamp updated_at{};  ///< only where `version` is 0: nothing else tells the updates of a file of before the log

  friend bool operator==(const StateTag&, const StateTag&) = default;
};

/// The beginning of an entity tag, without its quote: the file's id and version, and a hyphen.
void append_state_tag(std::string& out, const Progress& state);
/// Reads the beginning of an entity tag, without its quote. Nullopt for what `append_state_tag` does not write.
[[nodiscard]] std::optional<StateTag> read_state_tag(std::string_view tag);

/// Whether the tag is about the file as it is now. One of a file of before the log is still right once the file's state
/// has become its first event.
[[nodiscard]] bool is_current(const StateTag& tag, const Progress& now);

/// What a caller says of the file that it knows (RFC 9110, section 13.1). A tag that is not ours matches nothing, and
/// is not kept.
struct TagList {
  bool any = false;  ///< `*`: that there is a file at all
  std::vector<StateTag> tags;
};
struct Precondition {
  std::optional<TagList> if_match;       ///< one of these has to be current (section 13.1.1)
  std::optional<TagList> if_none_match;  ///< none of these may be (section 13.1.2)

  [[nodiscard]] bool holds(const Progress& now) const;
};

}  // namespace pebbles::domain
