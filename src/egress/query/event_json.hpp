#pragma once
#include <string>

#include "domain/event.hpp"

namespace pebbles::query {

/// What happened to a file, as its history and the feed show it, without the braces around it.
void append_event_members(std::string& out, const domain::ProgressEvent& event);

}  // namespace pebbles::query
