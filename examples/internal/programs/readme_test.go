package programs

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The README's list of rules names the test that shows each of them.
func TestReadmeNamesTestsThatExist(t *testing.T) {
	root := filepath.Join("..", "..")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var sources []byte
	for _, pattern := range []string{"*/*_test.go", "internal/*/*_test.go", "../middleware/*/*_test.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources = append(sources, source...)
		}
	}
	names := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAll(readme, -1)
	if len(names) < 15 {
		t.Errorf("the README names %d tests", len(names))
	}
	for _, name := range names {
		if !bytes.Contains(sources, append([]byte("func "), append(name, '(')...)) {
			t.Errorf("the README names %s, which does not exist", name)
		}
	}
}
