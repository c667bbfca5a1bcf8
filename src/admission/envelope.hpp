#pragma once
#include <simdjson.h>

#include <expected>
#include <string>

#include "admission/message.hpp"

/// What events have around an update: a CloudEvent 1.0 in JSON, or an event of Amazon EventBridge.
namespace pebbles::admission {

/// What an event is known by. Empty texts: there is none.
struct EventName {
  std::string id;
  std::string key;                ///< its source, 0x1F, its id
  bool chosen_by_sender = false;  ///< an `eventId` beside it must be the same; EventBridge gives ids of its own
};

/// An update and the event that it came in. The object is part of the document, or of one that was parsed since.
struct Enclosed {
  simdjson::dom::object update;
  EventName event;
};

/// Whether a document is one of these, by its members: `specversion`; or `detail-type` and `source`, and an object as
/// `detail`.
[[nodiscard]] bool is_envelope(const simdjson::dom::object& document);

/// Takes an envelope off: of an event of EventBridge, else of what must be a CloudEvent. Views into the document end
/// where `data_base64` has to be parsed.
[[nodiscard]] std::expected<Enclosed, Unusable> open_envelope(const simdjson::dom::object& document);

/// The key of an update in an event: its own `eventId`, else the event's. Error: keys_differ.
[[nodiscard]] std::expected<std::string, Unusable> key_of(std::string event_id, const EventName& event);

}  // namespace pebbles::admission
