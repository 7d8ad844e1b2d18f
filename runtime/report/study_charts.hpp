// SPDX-License-Identifier: Apache-2.0
// A study's figures as pictures.
#pragma once

#include <string>
#include <vector>

#include "runtime/report/study_figures.hpp"

namespace sluice::runtime {

struct StudyPicture {
  std::string file;  // name, in lower case letters, digits, '-' and '.'
  std::string title;
  std::string svg;
  bool is_small = false;  // two beside each other fill a page's width
};

// In the study's order of charts; those that its outcomes cannot fill are left out.
std::vector<StudyPicture> study_pictures(const StudyFigures& figures);

}  // namespace sluice::runtime
