-- The schema.
CREATE TABLE roles (id serial PRIMARY KEY, name varchar(50) UNIQUE NOT NULL, is_active boolean DEFAULT true, is_editable boolean DEFAULT true);
CREATE TABLE permissions (id serial PRIMARY KEY, role_id integer REFERENCES roles(id), access_control_id integer, type varchar(20));
CREATE TABLE access_controls (id serial PRIMARY KEY, name varchar(100) NOT NULL, path varchar(100), parent_path varchar(100), method varchar(10), UNIQUE (path, method));
CREATE TABLE departments (id serial PRIMARY KEY, name varchar(50) UNIQUE NOT NULL);
CREATE TABLE classes (id serial PRIMARY KEY, name varchar(50) UNIQUE NOT NULL, sections varchar(50));
CREATE TABLE sections (id serial PRIMARY KEY, name varchar(50) UNIQUE NOT NULL);
CREATE TABLE users (
    id serial PRIMARY KEY, name varchar(100) NOT NULL, email varchar(100) UNIQUE NOT NULL, password varchar(255),
    role_id integer REFERENCES roles(id), is_active boolean DEFAULT true, is_email_verified boolean DEFAULT false,
    last_login timestamp, created_dt timestamp DEFAULT now(), reporter_id integer REFERENCES users(id));
CREATE TABLE user_profiles (
    id serial PRIMARY KEY, user_id integer UNIQUE REFERENCES users(id), gender varchar(10), phone varchar(20), dob date,
    class_name varchar(50) REFERENCES classes(name), section_name varchar(50) REFERENCES sections(name), roll integer,
    department_id integer REFERENCES departments(id), current_address varchar(100));
CREATE TABLE class_teachers (id serial PRIMARY KEY, teacher_id integer REFERENCES users(id), class_name varchar(50) REFERENCES classes(name), section_name varchar(50) REFERENCES sections(name));
CREATE TABLE notice_status (id serial PRIMARY KEY, name varchar(50) UNIQUE NOT NULL);
CREATE TABLE notices (
    id serial PRIMARY KEY, author_id integer REFERENCES users(id), title varchar(400) NOT NULL, description text,
    status integer REFERENCES notice_status(id), created_dt timestamp DEFAULT now());
CREATE TABLE leave_status (id serial PRIMARY KEY, name varchar(50) UNIQUE NOT NULL);
CREATE TABLE leave_policies (id serial PRIMARY KEY, name varchar(50) UNIQUE NOT NULL, is_active boolean DEFAULT true);
CREATE TABLE user_leave_policy (user_id integer REFERENCES users(id), leave_policy_id integer REFERENCES leave_policies(id), PRIMARY KEY (user_id, leave_policy_id));
CREATE TABLE user_leaves (
    id serial PRIMARY KEY, user_id integer REFERENCES users(id), leave_policy_id integer REFERENCES leave_policies(id),
    from_dt date, to_dt date, note varchar(100), status integer REFERENCES leave_status(id));
CREATE TABLE user_refresh_tokens (id serial PRIMARY KEY, user_id integer REFERENCES users(id) ON DELETE CASCADE, token text NOT NULL, issued_at timestamp DEFAULT now(), expires_at timestamp NOT NULL);
