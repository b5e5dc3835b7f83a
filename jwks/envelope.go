package jwks

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	errNotObject  = errors.New("not one JSON object")
	errDuplicate  = errors.New("a member appears twice")
	errNoKeys     = errors.New(`no "keys" array`)
	errManyKeys   = errors.New("more keys than allowed")
	errNoneUsable = errors.New("no usable key in the set")
)

// members calls each for every member of the one JSON object that doc holds, in order, and refuses a member that appears twice: readers that
// take the first and readers that take the last would see two documents in one (RFC 8259 §4). Duplicates deeper inside are left to whoever
// reads the value, so that one bad key does not spoil its set.
func members(doc []byte, each func(name string, value jsontext.Value) error) error {
	dec := jsontext.NewDecoder(bytes.NewReader(doc), jsontext.AllowDuplicateNames(true))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return errNotObject
	}
	seen := map[string]bool{}
	for dec.PeekKind() == '"' {
		t, err := dec.ReadToken()
		if err != nil {
			return err
		}
		name := t.String()
		if seen[name] { // check: duplicate-member
			return errDuplicate
		}
		seen[name] = true
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := each(name, value); err != nil {
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	if _, err := dec.ReadToken(); err != io.EOF { // check: trailing-data
		return errNotObject
	}
	return nil
}

// elements returns the elements of the "keys" array of a set document (RFC 7517 §5), at most limit.
func elements(doc []byte, limit int) ([]jsontext.Value, error) {
	var keys []jsontext.Value
	found := false
	err := members(doc, func(name string, value jsontext.Value) error {
		if name != "keys" {
			return nil
		}
		if value.Kind() != '[' {
			return errNoKeys
		}
		found = true
		dec := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true))
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		for dec.PeekKind() != ']' {
			key, err := dec.ReadValue()
			if err != nil {
				return err
			}
			if len(keys) == limit { // check: max-keys
				return errManyKeys
			}
			keys = append(keys, key.Clone())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errNoKeys
	}
	return keys, nil
}

// text returns the string that value holds.
func text(value jsontext.Value) (string, bool) {
	if value.Kind() != '"' {
		return "", false
	}
	s, err := jsontext.AppendUnquote(nil, value)
	return string(s), err == nil
}

// texts returns the strings of the array that value holds.
func texts(value jsontext.Value) ([]string, bool) {
	if value.Kind() != '[' {
		return nil, false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(value))
	if _, err := dec.ReadToken(); err != nil {
		return nil, false
	}
	var all []string
	for dec.PeekKind() != ']' {
		element, err := dec.ReadValue()
		if err != nil {
			return nil, false
		}
		s, ok := text(element)
		if !ok {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}
