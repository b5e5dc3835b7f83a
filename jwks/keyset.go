package jwks

import "slices"

// A keySet is an immutable index over the keys of one document. Readers share it without a lock.
type keySet struct {
	all  []*Key
	few  []*Key // all, when no ID stands twice and they are few: comparing each takes less time than a map does
	byID map[string][]*Key
}

// fewKeys is up to how many keys are looked through one by one. Most issuers publish two or three.
const fewKeys = 4

func newKeySet(keys []*Key) *keySet {
	s := &keySet{all: slices.Clip(keys), byID: make(map[string][]*Key, len(keys))}
	for _, k := range keys {
		if k.ID != "" {
			s.byID[k.ID] = append(s.byID[k.ID], k)
		}
	}
	if len(keys) <= fewKeys && len(s.byID) == len(keys) {
		s.few = s.all
	}
	return s
}

// find returns the keys whose ID is kid, or all of them when kid is empty; nil when there is none.
func (s *keySet) find(kid string) []*Key {
	if kid == "" {
		return s.all
	}
	for i, k := range s.few {
		if k.ID == kid {
			return s.few[i : i+1 : i+1]
		}
	}
	if s.few != nil {
		return nil
	}
	return s.byID[kid]
}

// reuseKeys replaces each key that old holds too by old's, so that a pointer lives as long as its
// key is published, and tells what came and went.
func reuseKeys(old *keySet, keys []*Key) (added, removed []*Key) {
	if old == nil {
		return slices.Clone(keys), nil
	}
	kept := make(map[*Key]bool, len(old.all))
	for i, k := range keys {
		at := slices.IndexFunc(old.all, k.equal)
		if at < 0 {
			added = append(added, k)
			continue
		}
		keys[i] = old.all[at]
		kept[old.all[at]] = true
	}
	for _, k := range old.all {
		if !kept[k] {
			removed = append(removed, k)
		}
	}
	return added, removed
}
