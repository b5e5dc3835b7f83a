package rows

import (
	"regexp"
	"strings"
)

// ID matches the ID of a row, such as "AT-18".
var ID = regexp.MustCompile(`^[A-Z]{1,2}-\d\d$`)

// TestPattern matches the functions that bear rows in their own names, or in those of their
// subtests.
const TestPattern = `TestMatrix.*|Test[A-Z]{1,2}[0-9]{2}_.*`

var (
	inFunction = regexp.MustCompile(`^Test((?:[A-Z]{1,2}\d\d_)+)`)
	duplicate  = regexp.MustCompile(`#\d+$`)
)

// OfFunction returns the rows that the name of a test function begins with: "J-05" and "K-09" of
// "TestJ05_K09_ForgedKeyIDs".
func OfFunction(name string) (ids []string) {
	m := inFunction.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	for id := range strings.SplitSeq(strings.TrimSuffix(m[1], "_"), "_") {
		ids = append(ids, id[:len(id)-2]+"-"+id[len(id)-2:])
	}
	return ids
}

// OfSubtest returns the row that an element of a subtest's name is, and the element behind it, if
// any: "AT-18" and "chi" of "TestMatrixToken/token/AT-18#01/chi/an_hour_ago". The row is "" when
// there is none.
func OfSubtest(name string) (id, next string) {
	elements := strings.Split(name, "/")
	for i, e := range elements[1:] {
		if e = duplicate.ReplaceAllString(e, ""); !ID.MatchString(e) {
			continue
		}
		if i+2 < len(elements) {
			next = duplicate.ReplaceAllString(elements[i+2], "")
		}
		return e, next
	}
	return "", ""
}
