package mailtest

import (
	"bytes"
	"cmp"
	"context"

	"github.com/emersion/go-vcard"
	"github.com/emersion/go-webdav/carddav"
)

type cardData = vcard.Card

// contactBackend is the address books of whoever asks, for CardDAV (RFC 6352).
type contactBackend struct{ principal }

func contactsOf(ctx context.Context) *shelf[cardData] { return &accountOf(ctx).home.contacts }

func (contactBackend) AddressBookHomeSetPath(ctx context.Context) (string, error) {
	return davContacts + accountOf(ctx).name + "/", nil
}

func (contactBackend) CreateAddressBook(ctx context.Context, b *carddav.AddressBook) error {
	return contactsOf(ctx).create(b.Path, cmp.Or(b.Name, b.Path))
}

func (contactBackend) DeleteAddressBook(ctx context.Context, path string) error {
	return contactsOf(ctx).remove(path)
}

func (b contactBackend) ListAddressBooks(ctx context.Context) ([]carddav.AddressBook, error) {
	var all []carddav.AddressBook
	for _, path := range contactsOf(ctx).list() {
		if book, err := b.GetAddressBook(ctx, path); err == nil { // else it has gone since
			all = append(all, *book)
		}
	}
	return all, nil
}

func (contactBackend) GetAddressBook(ctx context.Context, path string) (*carddav.AddressBook, error) {
	title, err := contactsOf(ctx).title(path)
	if err != nil {
		return nil, err
	}
	return &carddav.AddressBook{Path: directory(path), Name: title}, nil
}

func (contactBackend) GetAddressObject(ctx context.Context, path string, _ *carddav.AddressDataRequest) (*carddav.AddressObject, error) {
	found, err := contactsOf(ctx).item(path)
	if err != nil {
		return nil, err
	}
	return addressObject(found), nil
}

func (contactBackend) ListAddressObjects(ctx context.Context, path string, _ *carddav.AddressDataRequest) ([]carddav.AddressObject, error) {
	var all []carddav.AddressObject
	for _, found := range contactsOf(ctx).in(path) {
		all = append(all, *addressObject(found))
	}
	return all, nil
}

func (b contactBackend) QueryAddressObjects(ctx context.Context, path string, query *carddav.AddressBookQuery) ([]carddav.AddressObject, error) {
	all, err := b.ListAddressObjects(ctx, path, &query.DataRequest)
	if err != nil {
		return nil, err
	}
	return carddav.Filter(query, all)
}

func (contactBackend) PutAddressObject(ctx context.Context, path string, card vcard.Card, o *carddav.PutAddressObjectOptions) (*carddav.AddressObject, error) {
	var text bytes.Buffer
	if err := vcard.NewEncoder(&text).Encode(card); err != nil {
		return nil, carddav.NewPreconditionError(carddav.PreconditionValidAddressData)
	}
	stored, err := contactsOf(ctx).put(path, text.Bytes(), card, o.IfMatch, o.IfNoneMatch)
	if err != nil {
		return nil, err
	}
	return addressObject(stored), nil
}

func (contactBackend) DeleteAddressObject(ctx context.Context, path string) error {
	return contactsOf(ctx).remove(path)
}

func addressObject(i item[cardData]) *carddav.AddressObject {
	return &carddav.AddressObject{Path: i.path, ModTime: i.modified, ContentLength: i.size, ETag: i.etag, Card: i.data}
}
